/** Virtual machines. A /dev/kvm that opens, and even makes a machine, may run nothing in it: some code has to run. */
import { dirname, join } from "@std/path";
import { whyFails } from "./attempt.ts";

/**
 * A guest that does not come back must not hold up its tests: another process runs it, kvm_guest.ts, and is ended in
 * time. The guest is one of x86_64; `instructions`, of a test, are run before its own.
 */
export function whyNoKvm(
  instructions: readonly number[] = [],
  limitSeconds?: number,
): string | undefined {
  if (Deno.build.arch !== "x86_64") return `the probe's guest is not for ${Deno.build.arch}`;
  const guest = join(import.meta.dirname!, "kvm_guest.ts");
  const config = join(dirname(dirname(dirname(import.meta.dirname!))), "deno.json");
  return whyFails([
    Deno.execPath(),
    "run",
    "-A",
    "--quiet",
    "--config",
    config,
    guest,
    ...instructions.map(String),
  ], limitSeconds);
}
