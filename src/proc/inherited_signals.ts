/** What this program was told about signals when it was started: signal(7), execve(2). */
import { SIGPIPE } from "../ffi/constants.ts";
import { ignoredByUs } from "../ffi/own_limits.ts";
import { readStatus } from "./status.ts";

/**
 * The signals that this program was started with as ignored, as a set. To be asked before the first listener, which comes
 * in the place of that; and without SIGPIPE, which the runtime itself ignores, whatever it was started with.
 */
export function inheritedIgnored(): bigint {
  const ours = 1n << BigInt(SIGPIPE - 1) | ignoredByUs();
  return known ??= (readStatus(Deno.pid)?.sigIgnored ?? 0n) & ~ours;
}

/** The first answer: later the runtime's own listeners stand in the place of what was ignored. */
let known: bigint | undefined;
