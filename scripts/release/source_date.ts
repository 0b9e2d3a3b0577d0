import { dirname } from "@std/path";

const ROOT = dirname(dirname(import.meta.dirname!));
/** For a source tree without history: the first day that every archive format can tell. */
const EARLIEST = Date.UTC(1980, 0, 1) / 1000;

/**
 * The time that everything released bears, in seconds since 1970: SOURCE_DATE_EPOCH, else that of the last commit.
 * Never that of the build, so that one source makes one archive.
 */
export function sourceDate(): number {
  const given = Deno.env.get("SOURCE_DATE_EPOCH");
  if (given !== undefined && /^\d+$/.test(given)) return Number(given);
  try {
    const { success, stdout } = new Deno.Command("git", {
      args: ["log", "-1", "--format=%ct"],
      cwd: ROOT,
      stderr: "null",
    }).outputSync();
    const time = Number(new TextDecoder().decode(stdout).trim());
    return success && time > 0 ? time : EARLIEST;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return EARLIEST;
    throw error;
  }
}
