/**
 * What seccomp(2) lets a thread do by itself. Its filters are suspended while it makes our calls
 * (PTRACE_O_SUSPEND_SECCOMP), but the suspension ends with the tracer: once this program has been killed, the filters judge
 * what the thread does.
 */
import type { Architecture, Registers } from "../arch/mod.ts";
import { SyscallError } from "../errors.ts";
import { SECCOMP_MODE_STRICT } from "../ffi/constants.ts";
import { getSeccompFilter } from "./ptrace.ts";
import { type FilterProgram, type Verdict, verdictOf } from "./seccomp_filter.ts";

export interface JudgedCall {
  readonly number: number;
  readonly args: readonly bigint[];
  /** Of the instruction behind the one that enters the kernel. */
  readonly instructionPointer: bigint;
}

export interface CallFilter {
  /** What becomes of `call` once the thread is not traced any more. */
  verdict(call: JudgedCall): Verdict;
}

/**
 * The filters of thread `tid`, which is in `mode`, SECCOMP_MODE_*, but not in the disabled one. Where they cannot be read
 * (the kernel keeps no copy of those that were not written in classic BPF), every call counts as forbidden.
 */
export function readCallFilter(tid: number, arch: Architecture, mode: number): CallFilter {
  if (mode === SECCOMP_MODE_STRICT) return new StrictMode(arch);
  return new Filters(arch, readFilters(tid));
}

class Filters implements CallFilter {
  constructor(
    readonly arch: Architecture,
    readonly programs: readonly FilterProgram[] | undefined,
  ) {}

  verdict({ number, args, instructionPointer }: JudgedCall): Verdict {
    const { addressBits, auditArch } = this.arch;
    if (this.programs === undefined) return "forbidden";
    return verdictOf(this.programs, {
      number,
      auditArch,
      instructionPointer,
      args: args.map((value) => BigInt.asUintN(addressBits, value)),
    });
  }
}

/** Of what we make a thread call: seccomp(2). A 32-bit program may call the older sigreturn(2), and not ours. */
class StrictMode implements CallFilter {
  readonly #allowed: readonly number[];

  constructor({ addressBits, syscallNumbers: { exit, rt_sigreturn } }: Architecture) {
    this.#allowed = addressBits === 64 ? [exit, rt_sigreturn] : [exit];
  }

  verdict({ number }: JudgedCall): Verdict {
    return this.#allowed.includes(number) ? "allowed" : "forbidden";
  }
}

function readFilters(tid: number): FilterProgram[] | undefined {
  try {
    const filters: FilterProgram[] = [];
    for (;;) {
      const filter = getSeccompFilter(tid, filters.length);
      if (filter === undefined) return filters;
      filters.push(filter);
    }
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}

/**
 * `registers` of thread `tid`, which was stopped in a call that the kernel would continue by restart_syscall(2), with the
 * call made anew, from its start, where a filter does not allow that one. A program under such a filter does not survive
 * a SIGSTOP and a SIGCONT; a stop of ours is to be gentler than these. Where we may not read filters all is left as it is.
 */
export function withoutForbiddenRestart(
  tid: number,
  arch: Architecture,
  registers: Registers,
): Registers {
  if (arch.restartBlock?.isPending(registers) !== true) return registers;
  // One request tells of most threads that they have no filter.
  const filters = readFilters(tid) ?? [];
  if (filters.length === 0) return registers;
  const verdict = new Filters(arch, filters).verdict({
    number: arch.syscallNumbers.restart_syscall,
    args: arch.callOf(registers).args,
    instructionPointer: arch.instructionPointer(registers),
  });
  return verdict === "allowed" ? registers : arch.restartBlock.withoutIt(registers);
}
