/** Running a command to its end for what it tells of the machine. */
import { which, whyMissing } from "../programs.ts";

/** Such a command is done at once; where something in the kernel hangs it is ended, and counts as failed. */
const LIMIT_SECONDS = 20;
/** timeout(1) says so by its exit status. */
const OUT_OF_TIME = 124;

/** Why `argv` fails: the last line that it writes to stderr; undefined where it succeeds. */
export function whyFails(
  argv: readonly string[],
  limitSeconds: number = LIMIT_SECONDS,
): string | undefined {
  const absent = ["timeout", argv[0]!].filter((program) =>
    !program.startsWith("/") && which(program) === undefined
  );
  if (absent.length > 0) return whyMissing(...absent);
  const { success, code, stderr } = new Deno.Command("timeout", {
    args: [`${limitSeconds}`, ...argv],
    env: { LC_ALL: "C" },
    stdin: "null",
    stdout: "null",
  }).outputSync();
  if (success) return undefined;
  if (code === OUT_OF_TIME) return `it does not end within ${limitSeconds} s`;
  const line = new TextDecoder().decode(stderr).trim().split("\n").at(-1);
  return line || `${argv.join(" ")}: exit status ${code}`;
}

/** A reason out of a failed call. Errors of other kinds are mistakes in a probe, and thrown on. */
export function reasonOf(error: unknown): string {
  if (error instanceof Error && ["SyscallError", "RefusedError"].includes(error.name)) {
    return error.message;
  }
  throw error;
}
