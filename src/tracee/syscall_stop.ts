/**
 * What a thread in a syscall-stop is about to do, or has done: PTRACE_GET_SYSCALL_INFO in ptrace(2). One buffer for
 * all stops, read in 32-bit words: a tracer of every call of a program cannot afford objects and bigints.
 */
import { PTRACE_GET_SYSCALL_INFO, PTRACE_LISTEN, PTRACE_SYSCALL } from "../ffi/constants.ts";
import { libc } from "../ffi/libc.ts";
import { raw } from "../ffi/raw.ts";
import { ptraceSyscallInfo } from "../ffi/structs.ts";

const ARCH_WORD = ptraceSyscallInfo.fields.arch[0] / 4;
const NUMBER_WORD = ptraceSyscallInfo.fields["entry.nr"][0] / 4;
const ARGUMENT_WORD = ptraceSyscallInfo.fields["entry.args"][0] / 4;
const RESULT_WORD = ptraceSyscallInfo.fields["exit.rval"][0] / 4;

/** Arguments of a system call as pairs of 32-bit words, low and high. */
export const ARGUMENT_WORDS = 12;

export class SyscallStop {
  readonly #bytes = new Uint8Array(ptraceSyscallInfo.size);
  readonly #words = new Uint32Array(this.#bytes.buffer);
  readonly #size = BigInt(ptraceSyscallInfo.size);

  /** Look at `tid`: PTRACE_SYSCALL_INFO_ENTRY, _EXIT or another op; a negated errno: EIO before Linux 5.3. */
  read(tid: number): number {
    const length = libc().ptraceBuffer(PTRACE_GET_SYSCALL_INFO, tid, this.#size, this.#bytes);
    return length < 0 ? this.#readAgain(length, tid) : this.#op;
  }

  #readAgain(length: number, tid: number): number {
    const again = raw(length, "ptrace", PTRACE_GET_SYSCALL_INFO, tid, this.#size, this.#bytes);
    return again < 0 ? again : this.#op;
  }

  get #op(): number {
    return this.#bytes[0]!; // not undefined: the structure has bytes
  }

  #word(index: number): number {
    return this.#words[index]!; // not undefined: fields of the structure, which the buffer holds whole
  }

  /** AUDIT_ARCH_* */
  get arch(): number {
    return this.#word(ARCH_WORD);
  }

  /** At entry: the number of the call. */
  get number(): number {
    return this.#word(NUMBER_WORD);
  }

  /** At entry: write the arguments into `words`, {@linkcode ARGUMENT_WORDS} long. */
  copyArguments(words: Uint32Array): void {
    for (let index = 0; index < ARGUMENT_WORDS; index++) {
      words[index] = this.#word(ARGUMENT_WORD + index);
    }
  }

  /** At entry: the first argument. */
  get firstArgument(): bigint {
    const [low, high] = [this.#word(ARGUMENT_WORD), this.#word(ARGUMENT_WORD + 1)];
    return BigInt(high) << 32n | BigInt(low);
  }

  /** At exit: the result, or a negated errno. Exact up to 2^53. */
  get result(): number {
    return (this.#word(RESULT_WORD + 1) | 0) * 0x1_0000_0000 + this.#word(RESULT_WORD);
  }
}

/** Let `tid` run to its next syscall-stop, with `signal` when it is in the signal-delivery-stop of that; false when it is gone. */
export function resumeToSyscall(tid: number, signal = 0): boolean {
  return libc().ptrace(PTRACE_SYSCALL, tid, 0n, signal === 0 ? 0n : BigInt(signal)) === 0;
}

/** Leave `tid` in its group-stop, as if it were not traced: SIGCONT ends the stop. False when the thread is gone. */
export function listen(tid: number): boolean {
  return libc().ptrace(PTRACE_LISTEN, tid, 0n, 0n) === 0;
}
