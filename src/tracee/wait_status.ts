/** The one place where a wait status is taken apart: waitpid(2) and ptrace(2), "Stopped states". */
import { PTRACE_EVENT_STOP, SIGTRAP } from "../ffi/constants.ts";

export type WaitStatus =
  | { readonly kind: "exited"; readonly status: number }
  | { readonly kind: "signaled"; readonly signal: number }
  /** Before or after a system call, told apart by PTRACE_GET_SYSCALL_INFO. */
  | { readonly kind: "syscall-stop" }
  /** PTRACE_EVENT_STOP by PTRACE_INTERRUPT, by a new tracee's birth, or when a group-stop ended. */
  | { readonly kind: "interrupt-stop" }
  /** PTRACE_EVENT_STOP by SIGSTOP, SIGTSTP, SIGTTIN or SIGTTOU: job control's own stop. */
  | { readonly kind: "group-stop"; readonly signal: number }
  /** `signal` has been taken from the queue and is ours to deliver. */
  | { readonly kind: "signal-delivery-stop"; readonly signal: number }
  | { readonly kind: "event-stop"; readonly event: number };

/** With PTRACE_O_TRACESYSGOOD the signal of a syscall-stop carries this bit. */
const SYSGOOD = 0x80;

/** Decode the status of a tracee that was attached with PTRACE_SEIZE and PTRACE_O_TRACESYSGOOD. */
export function decodeWaitStatus(status: number): WaitStatus {
  if ((status & 0x7f) === 0) return { kind: "exited", status: (status >> 8) & 0xff };
  if ((status & 0xff) !== 0x7f) return { kind: "signaled", signal: status & 0x7f };
  const signal = (status >> 8) & 0xff;
  const event = status >> 16;
  if (event === PTRACE_EVENT_STOP) {
    return signal === SIGTRAP ? { kind: "interrupt-stop" } : { kind: "group-stop", signal };
  }
  if (event !== 0) return { kind: "event-stop", event };
  if (signal === (SIGTRAP | SYSGOOD)) return { kind: "syscall-stop" };
  return { kind: "signal-delivery-stop", signal };
}

/** The whole status of a syscall-stop: for a loop that sees hundreds of thousands in a second and makes no object of each. */
const SYSCALL_STOP = (SIGTRAP | SYSGOOD) << 8 | 0x7f;

/** Whether {@linkcode decodeWaitStatus} would say `syscall-stop`. */
export function isSyscallStop(status: number): boolean {
  return status === SYSCALL_STOP;
}
