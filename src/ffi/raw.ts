/**
 * The funnel between C's "-1 and errno" and this program: a raw value is what the kernel itself
 * returns, a result of 0 or more, or a negated error number.
 */
import { SyscallError } from "../errors.ts";
import { describeErrno } from "./errno.ts";
import { errno } from "./libc.ts";

/** The raw value of a C call that just returned. Must directly follow the call: errno is volatile. */
export function raw(result: number | bigint): number {
  return result === -1 || result === -1n ? -errno() : Number(result);
}

/** A raw value that is no error; else throws {@linkcode SyscallError} naming `call`. */
export function orThrow(value: number, call: string): number {
  if (value < 0) throw new SyscallError(call, describeErrno(-value));
  return value;
}
