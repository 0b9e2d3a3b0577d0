/** Which of the signals that come with the end of a terminal a process has to be kept from. Pure. */
import { SIGCONT, SIGHUP } from "../../../ffi/constants.ts";
import { hasSignal, type Status } from "../../../proc/status.ts";

/** Those of SIGHUP and SIGCONT that would be noticed by a process of that status, and are not pending in it. */
export function hangupSignals(
  { sigPending, sharedPending, sigBlocked, sigIgnored, sigCaught }: SignalSets,
): number[] {
  return [SIGHUP, SIGCONT].filter((signal) => {
    if (hasSignal(sigPending | sharedPending, signal)) return false;
    // A blocked signal stays queued whatever is done about it: sig_ignored() in kernel/signal.c.
    if (hasSignal(sigBlocked, signal)) return true;
    return signal === SIGCONT ? hasSignal(sigCaught, signal) : !hasSignal(sigIgnored, signal);
  });
}

export type SignalSets = Pick<
  Status,
  "sigPending" | "sharedPending" | "sigBlocked" | "sigIgnored" | "sigCaught"
>;
