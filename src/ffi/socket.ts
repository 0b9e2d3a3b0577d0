/** Descriptors through sockets: sendmsg(2), cmsg(3), SCM_RIGHTS in unix(7). */
import type { FdArgument } from "../brands.ts";
import { Struct } from "../struct.ts";
import {
  AF_UNIX,
  MSG_DONTWAIT,
  SCM_RIGHTS,
  SO_ATTACH_FILTER,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOL_SOCKET,
} from "./constants.ts";
import { close } from "./descriptor.ts";
import { libc } from "./libc.ts";
import { addressOf } from "./memory.ts";
import { orThrow, raw } from "./raw.ts";
import {
  cmsghdr,
  iovec,
  msghdr,
  sock_filter,
  sock_fprog,
  sockaddr_un,
  timeval,
} from "./structs.ts";

/** Send one byte with `descriptors` through `socket`, without waiting. Raw value: 1 when sent. */
export function sendDescriptors(
  socket: FdArgument,
  descriptors: readonly FdArgument[],
): number {
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

/** SO_RCVTIMEO or SO_SNDTIMEO of `socket` in milliseconds; undefined where it has none, or is no socket. */
export function socketTimeout(socket: FdArgument, option: number): number | undefined {
  const time = new Struct(timeval);
  const length = new Uint8Array(Uint32Array.of(timeval.size).buffer);
  if (libc().getsockopt(socket, SOL_SOCKET, option, time.bytes, length) !== 0) return undefined;
  const milliseconds = Number(time.get("tv_sec")) * 1000 + Number(time.get("tv_usec")) / 1000;
  return milliseconds === 0 ? undefined : milliseconds;
}

/**
 * A socket that never says anything and swallows what is written to it, nonblocking and close-on-exec: poll(2) and
 * epoll(7) never report it readable, and always writable. It sends to itself, and its filter lets nothing in, which
 * the sender is not told: unix_dgram_sendmsg() in net/unix/af_unix.c. Throws SyscallError.
 */
export function openSilence(): number {
  const type = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = orThrow(
    raw(libc().socket(AF_UNIX, type, 0), "socket", AF_UNIX, type, 0),
    "socket(AF_UNIX, SOCK_DGRAM)",
  );
  try {
    letNothingIn(fd);
    connectToItself(fd);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** BPF_RET | BPF_K of <linux/bpf_common.h>: how many bytes are let in, here 0. */
const RETURN_K = 0x06;

function letNothingIn(fd: number): void {
  const filter = new Struct(sock_filter).set("code", RETURN_K).set("k", 0);
  const program = new Struct(sock_fprog).set("len", 1).set("filter", addressOf(filter.bytes));
  const args = [fd, SOL_SOCKET, SO_ATTACH_FILTER, program.bytes, sock_fprog.size] as const;
  orThrow(raw(libc().setsockopt(...args), "setsockopt", ...args), "setsockopt(SO_ATTACH_FILTER)");
}

/** An address without a name has the kernel give one, in the abstract namespace: unix(7), "Autobind feature". */
const FAMILY_ONLY = 2;

function connectToItself(fd: number): void {
  const address = new Struct(sockaddr_un).set("sun_family", AF_UNIX);
  const { bytes } = address;
  orThrow(raw(libc().bind(fd, bytes, FAMILY_ONLY), "bind", fd, bytes, FAMILY_ONLY), "bind");
  const length = Uint32Array.of(bytes.length);
  const lengthBytes = new Uint8Array(length.buffer);
  const named = libc().getsockname(fd, bytes, lengthBytes);
  orThrow(raw(named, "getsockname", fd, bytes, lengthBytes), "getsockname");
  const connected = libc().connect(fd, bytes, length[0] ?? 0);
  orThrow(raw(connected, "connect", fd, bytes, length[0] ?? 0), "connect");
}
