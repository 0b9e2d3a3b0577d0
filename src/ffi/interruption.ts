/** Having calls that wait on this thread come back: sigaction(2), setitimer(2). */
import { ITIMER_REAL, SA_RESTART } from "./constants.ts";
import { libc } from "./libc.ts";
import { itimerval, sigactionOfLibc } from "./structs.ts";
import { Struct } from "../struct.ts";

/**
 * From now on `signal`, which has a handler already, makes a call that waits on this thread return EINTR. Deno's
 * handlers restart such calls, so that waitpid(2) would go on waiting.
 */
export function interruptCallsBy(signal: number): void {
  const action = new Struct(sigactionOfLibc);
  const { sigaction } = libc();
  if (sigaction(signal, null, action.bytes) !== 0) return;
  action.set("sa_flags", action.get("sa_flags") & ~SA_RESTART);
  sigaction(signal, action.bytes, null);
}

/**
 * SIGALRM after `first` milliseconds, and from then on every `interval`, less than 1000; 0 for the one is never, for the
 * other not again.
 */
export function setAlarm(first: number, interval: number): void {
  const microseconds = Math.ceil(first * 1000);
  const value = new Struct(itimerval)
    .set("it_interval.tv_usec", BigInt(interval * 1000))
    .set("it_value.tv_sec", BigInt(Math.floor(microseconds / 1_000_000)))
    .set("it_value.tv_usec", BigInt(microseconds % 1_000_000));
  libc().setitimer(ITIMER_REAL, value.bytes, null);
}
