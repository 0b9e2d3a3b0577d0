/** Descriptors through sockets: sendmsg(2), cmsg(3), SCM_RIGHTS in unix(7). */
import { Struct } from "../struct.ts";
import {
  AF_UNIX,
  MSG_DONTWAIT,
  SCM_RIGHTS,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOL_SOCKET,
} from "./constants.ts";
import { libc } from "./libc.ts";
import { addressOf } from "./memory.ts";
import { orThrow, raw } from "./raw.ts";
import { cmsghdr, iovec, msghdr } from "./structs.ts";

/** Send one byte with `descriptors` through `socket`, without waiting. Raw value: 1 when sent. */
export function sendDescriptors(socket: number, descriptors: readonly number[]): number {
  const payload = new Uint8Array(1);
  const vector = new Struct(iovec).set("iov_base", addressOf(payload)).set("iov_len", 1n);
  const length = cmsghdr.size + 4 * descriptors.length;
  // CMSG_SPACE: the kernel wants the control data padded to the size of a long.
  const control = new Uint8Array(Math.ceil(length / 8) * 8);
  new Struct(cmsghdr, control)
    .set("cmsg_len", BigInt(length))
    .set("cmsg_level", SOL_SOCKET)
    .set("cmsg_type", SCM_RIGHTS);
  const numbers = new DataView(control.buffer, cmsghdr.size);
  descriptors.forEach((fd, index) => numbers.setInt32(index * 4, fd, true));
  const message = new Struct(msghdr)
    .set("msg_iov", addressOf(vector.bytes))
    .set("msg_iovlen", 1n)
    .set("msg_control", addressOf(control))
    .set("msg_controllen", BigInt(control.length));
  return raw(
    libc().sendmsg(socket, message.bytes, MSG_DONTWAIT),
    "sendmsg",
    socket,
    message.bytes,
    MSG_DONTWAIT,
  );
}

/**
 * A socket that nobody can send anything to, nonblocking and close-on-exec: poll(2) and epoll(7) never report it
 * readable, and a write fails with ENOTCONN, without SIGPIPE. Throws SyscallError.
 */
export function openSilence(): number {
  const type = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  return orThrow(
    raw(libc().socket(AF_UNIX, type, 0), "socket", AF_UNIX, type, 0),
    "socket(AF_UNIX, SOCK_DGRAM)",
  );
}
