/**
 * Seize process PID, let it go, and print what happened, in a program of its own: a thread that did not
 * stop in time is let go only when its tracer ends. Arguments: PID SECONDS
 */
import { Tracee } from "../../src/tracee/tracee.ts";

const [pid, timeoutSeconds] = Deno.args.map(Number);
try {
  using tracee = Tracee.seize(pid!, { timeoutSeconds: timeoutSeconds! });
  console.log(`stopped ${tracee.tids.length}`);
} catch (error) {
  if (!(error instanceof Error)) throw error;
  console.log(`${error.name}: ${error.message}`);
}
