/** Which calls that a stop breaks have timeouts, where these stand, and what is returned when they are over. Pure. */
import { SO_RCVTIMEO, SO_SNDTIMEO } from "../../ffi/constants.ts";
import { ERRNO } from "../../ffi/errno.ts";

/** Where a timeout stands: indexes are of arguments. A socket is an argument itself, or the first word of what one points to. */
export type Timeout =
  | { readonly kind: "milliseconds"; readonly argument: number }
  | { readonly kind: "timespec"; readonly argument: number; readonly isWide: boolean }
  | { readonly kind: "socket"; readonly option: number; readonly isPointed: boolean };

const TIMESPECS: Readonly<Record<string, number>> = {
  epoll_pwait2: 3,
  io_getevents: 4,
  io_pgetevents: 4,
  io_pgetevents_time64: 4,
  rt_sigtimedwait: 2,
  rt_sigtimedwait_time64: 2,
  semtimedop: 3,
  semtimedop_time64: 3,
};

const RECEIVING = [
  "accept",
  "accept4",
  "read",
  "readv",
  "recvfrom",
  "recvmmsg",
  "recvmmsg_time64",
  "recvmsg",
];
const SENDING = ["sendmmsg", "sendmsg", "sendto", "write", "writev"];

/** Of these timed calls 0 is the result when nothing came; of all others EAGAIN. */
const COUNTING = /^epoll|^io_/;

/** i386: of the calls that ipc(2) makes, in the low half of its first argument, the only timed one; <linux/ipc.h>. */
const SEMTIMEDOP = 4;

/** i386: the calls that socketcall(2) makes, SYS_* of <linux/net.h>. */
const RECEIVING_SOCKETCALLS = [5, 10, 12, 17, 18, 19];
const SENDING_SOCKETCALLS = [9, 11, 16, 20];

/**
 * Where call `name`, whose first argument is `first`, has its timeout; undefined when it has none, or it is not known
 * what it returns then.
 */
export function timeoutOf(name: string, addressBits: 32 | 64, first: bigint): Timeout | undefined {
  if (name === "epoll_wait" || name === "epoll_pwait") return { kind: "milliseconds", argument: 3 };
  const argument = TIMESPECS[name];
  if (argument !== undefined) {
    // A call that was born after the 64-bit times has them on every processor.
    const isWide = addressBits === 64 || name.endsWith("_time64") || name === "epoll_pwait2";
    return { kind: "timespec", argument, isWide };
  }
  const low = Number(first & 0xffffn);
  if (name === "ipc") {
    return low === SEMTIMEDOP ? { kind: "timespec", argument: 5, isWide: false } : undefined;
  }
  const isPointed = name === "socketcall";
  const isAmong = (names: readonly string[], socketcalls: readonly number[]) =>
    isPointed ? socketcalls.includes(low) : names.includes(name);
  if (isAmong(RECEIVING, RECEIVING_SOCKETCALLS)) {
    return { kind: "socket", option: SO_RCVTIMEO, isPointed };
  }
  if (isAmong(SENDING, SENDING_SOCKETCALLS)) {
    return { kind: "socket", option: SO_SNDTIMEO, isPointed };
  }
  return undefined;
}

/** What a call of this name returns when its time is over. */
export function resultAfter(name: string): bigint {
  return COUNTING.test(name) ? 0n : BigInt(-ERRNO.EAGAIN);
}

/** The timeout argument of epoll_wait(2) in milliseconds; undefined for none. */
export function millisecondsOf(argument: bigint): number | undefined {
  const value = Number(BigInt.asIntN(32, argument));
  return value < 0 ? undefined : value;
}

/** A `struct timespec` in milliseconds. */
export function timespecMilliseconds(bytes: Uint8Array<ArrayBuffer>): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return bytes.length === 16
    ? Number(view.getBigInt64(0, true)) * 1000 + Number(view.getBigInt64(8, true)) / 1e6
    : view.getInt32(0, true) * 1000 + view.getInt32(4, true) / 1e6;
}
