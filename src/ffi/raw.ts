/**
 * The funnel between C's "-1 and errno" and this program: a raw value is what the kernel itself
 * returns, a result of 0 or more, or a negated error number.
 */
import { SyscallError } from "../errors.ts";
import { describeErrno } from "./errno.ts";
import { enterKernel } from "./kernel_entry.ts";
import { OWN_NUMBERS, type OwnCall } from "./syscall_numbers.ts";

/**
 * The raw value of a C function that returned `result`. Where that says "failed", the system call behind it
 * is made once more with `args`, past the C library, for errno cannot be trusted (see `kernel_entry.ts`). A
 * call that failed has done nothing, so the second one is as good as the first; should it succeed, all the
 * better. Not for calls that wait: the second would wait again.
 */
export function raw(
  result: number | bigint,
  call: OwnCall,
  ...args: readonly (number | bigint | Uint8Array<ArrayBuffer>)[]
): number {
  return result === -1 || result === -1n ? enterKernel(OWN_NUMBERS[call], args) : Number(result);
}

/** A raw value that is no error; else throws {@linkcode SyscallError} naming `call`. */
export function orThrow(value: number, call: string): number {
  if (value < 0) throw new SyscallError(call, describeErrno(-value));
  return value;
}
