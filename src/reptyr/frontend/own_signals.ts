/** Which of the signals that would end this program it has to handle. */
import { SIGTSTP } from "../../ffi/constants.ts";
import { SwitchedHandler } from "../../ffi/self_stop.ts";
import { reserveThreads } from "../../ffi/threads.ts";
import { inheritedIgnored } from "../../proc/inherited_signals.ts";
import { hasSignal } from "../../proc/status.ts";
import { PUMP_THREADS } from "../../tty/pump.ts";
import { SignalInbox } from "../../tty/signal_inbox.ts";

/** Signals that end this program, with what a shell reports then. */
export const ENDING_SIGNALS = new Map(
  [
    ["SIGHUP", 129],
    ["SIGINT", 130],
    ["SIGQUIT", 131],
    ["SIGUSR1", 138],
    ["SIGUSR2", 140],
    ["SIGALRM", 142],
    ["SIGTERM", 143],
  ] as const,
);

export type EndingSignal = Parameters<typeof ENDING_SIGNALS.get>[0];

/** The exit status of a program that `signal` ends, as a shell reports it: 128 + N. */
export function statusOf(signal: EndingSignal): number {
  return ENDING_SIGNALS.get(signal) ?? 1;
}

/**
 * `signals`, each with the exit status for it, by whether they were ignored when this program was started. nohup(1)
 * ignores SIGHUP for its command, and a script SIGINT and SIGQUIT for what it starts by `&`. To be asked before the
 * first listener is added, with which Deno takes SIGHUP, SIGINT and SIGTERM over, ignored or not.
 */
export function sortSignals<S extends Deno.Signal>(
  signals: ReadonlyMap<S, number>,
): { handled: S[]; ignored: S[] } {
  const set = inheritedIgnored();
  const handled: S[] = [];
  const ignored: S[] = [];
  for (const [name, status] of signals) {
    (hasSignal(set, status - 128) ? ignored : handled).push(name);
  }
  return { handled, ignored };
}

/**
 * The signals to this program, from before the first stop to its end. The threads of its service are started with them: none
 * may be had once a process stands still.
 */
export class OwnSignals {
  readonly inbox: SignalInbox;
  readonly handled: readonly EndingSignal[];
  /** Undefined where this program was started with SIGTSTP ignored: it must not stop then. */
  readonly suspension: SwitchedHandler | undefined;

  constructor() {
    const maySuspend = !hasSignal(inheritedIgnored(), SIGTSTP);
    const { handled, ignored } = sortSignals(ENDING_SIGNALS);
    const more = maySuspend ? ["SIGTSTP"] as const : [];
    this.inbox = new SignalInbox([...handled, "SIGWINCH", "SIGCONT", ...more], ignored);
    reserveThreads(PUMP_THREADS);
    this.handled = handled;
    this.suspension = maySuspend ? new SwitchedHandler(SIGTSTP) : undefined;
  }
}

/** Start all threads of a service: a program that is started later may be the last process that this user can have. */
export function startSignals(): void {
  SignalInbox.startThread(inheritedIgnored());
  reserveThreads(PUMP_THREADS);
}

/** The signals to a program that stops no other process: see {@linkcode OwnSignals}. */
export function takeSignals(): SignalInbox {
  const { handled, ignored } = sortSignals(ENDING_SIGNALS);
  return new SignalInbox([...handled, "SIGWINCH", "SIGCONT"], ignored);
}
