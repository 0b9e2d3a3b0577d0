/**
 * A call that the thread's seccomp filter forbids. The filter is suspended for as long as this program lives. The kernel asks
 * it only after the syscall-entry-stop (syscall_trace_enter(), since Linux 4.8). So the thread enters the kernel with a
 * harmless call. At its entry-stop it gets the meant call, by the request that comes right before the one that lets it run
 * on. If this program is killed at any other moment, the thread makes the harmless call. The danger that is left lasts from
 * one request to the next, and until the thread has passed its filter.
 */
import type { Architecture, Registers } from "../arch/mod.ts";
import { SyscallError } from "../errors.ts";
import type { CallFilter } from "./call_filter.ts";
import { enterInstead, replaceSyscall, setRegisters } from "./ptrace.ts";
import type { Verdict } from "./seccomp_filter.ts";
import { mayReturn, type SigframeStack } from "./sigframe_stack.ts";

export interface CoveredCall {
  /** Registers with which the thread enters the kernel. */
  readonly entering: Registers;
  /** To be called at the entry-stop: lets the thread run. */
  enterInstead(): void;
}

export interface MeantCall {
  readonly tid: number;
  readonly arch: Architecture;
  readonly number: number;
  readonly args: readonly bigint[];
  /** The registers to make it with, and the signal frames behind it. */
  readonly registers: Registers;
  /** Registers of another call, made at the same instruction. */
  other(number: number, args: readonly bigint[]): Registers;
}

/** `undefined` where the call needs no cover, or where no harmless call is allowed. */
export function cover(
  call: MeantCall,
  filter: CallFilter | undefined,
  sigframes: SigframeStack | undefined,
): CoveredCall | undefined {
  if (filter === undefined || sigframes === undefined) return undefined;
  const { tid, arch, number, args, registers } = call;
  const instructionPointer = sigframes.instruction + BigInt(arch.syscallInstruction.length);
  const verdict = (number: number, args: readonly bigint[]) =>
    filter.verdict({ number, args, instructionPointer });
  if (verdict(number, args) !== "forbidden") return undefined;

  const harmless = harmlessCalls(call, sigframes).find(({ number, args, needed }) =>
    needed.includes(verdict(number, args))
  );
  if (harmless === undefined) return undefined;
  const entering = harmless.stack(call.other(harmless.number, harmless.args));

  const numberOf = (one: number) => arch.hasNumberSet ? one : undefined;
  return {
    entering,
    enterInstead() {
      try {
        enterInstead(tid, arch.entered(registers), numberOf(number));
      } catch (error) {
        if (!(error instanceof SyscallError)) throw error;
        // It may be let go as it is.
        setRegisters(tid, arch.entered(entering));
        if (arch.hasNumberSet) replaceSyscall(tid, harmless.number);
        throw error;
      }
    },
  };
}

/** Whether a thread may make a call by itself, at our instruction, and come back from it. */
export function mayMakeAlone(
  { number, args, arch }: Pick<MeantCall, "number" | "args" | "arch">,
  filter: CallFilter | undefined,
  sigframes: SigframeStack | undefined,
): boolean {
  if (filter === undefined || sigframes === undefined) return true;
  const instructionPointer = sigframes.instruction + BigInt(arch.syscallInstruction.length);
  return filter.verdict({ number, args, instructionPointer }) === "allowed" &&
    mayReturn(filter, arch, sigframes.sites, args);
}

interface HarmlessCall {
  readonly number: number;
  readonly args: readonly bigint[];
  /** What the filter must answer to it. */
  readonly needed: readonly Verdict[];
  /** Its registers, with the signal frames behind it. */
  stack(registers: Registers): Registers;
}

/**
 * The call that the thread would make next, at once; or one that changes nothing, whether it is made or not: one without
 * arguments, or one without a descriptor.
 */
function harmlessCalls({ arch, args }: MeantCall, sigframes: SigframeStack): HarmlessCall[] {
  const { rt_sigreturn, getpid } = arch.syscallNumbers;
  const needed: readonly Verdict[] = ["allowed", "refused"];
  const stack = (registers: Registers) => sigframes.beneath(registers);
  const { read } = arch.watchedCalls;
  return [
    {
      number: rt_sigreturn,
      args,
      needed: ["allowed"],
      stack: (registers) => sigframes.itself(registers),
    },
    { number: getpid, args: [], needed, stack },
    ...read === undefined ? [] : [{ number: read, args: [-1n], needed, stack }],
  ];
}
