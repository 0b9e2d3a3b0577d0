/**
 * A FIFO without a name, at which a child pauses before it becomes the program: opening a FIFO by name waits for its
 * other end, fifo(7), and opening an anonymous pipe by /proc never does. Making one takes a writable directory for a
 * moment.
 */
import { RefusedError } from "../errors.ts";
import { O_CLOEXEC, O_PATH } from "../ffi/constants.ts";
import { makeFifo, open } from "../ffi/descriptor.ts";

/** A descriptor for neither end of a FIFO whose name is gone already. Throws RefusedError. */
export function openAnonymousFifo(): number {
  for (const folder of candidates()) {
    const fifo = tryIn(folder);
    if (fifo !== undefined) return fifo;
  }
  throw new RefusedError(
    "Cannot pause the command before exec: no writable directory for a FIFO",
    ["Set TMPDIR to a directory that can be written"],
  );
}

/** No other process sees the FIFO, so any place will do: a read-only system has memory at one of these. */
function candidates(): string[] {
  const named = (variable: string) => Deno.env.get(variable) ?? "";
  return [named("TMPDIR"), "/tmp", "/dev/shm", named("XDG_RUNTIME_DIR"), "/run", "."]
    .filter((folder) => folder !== "");
}

function tryIn(parent: string): number | undefined {
  let folder;
  try {
    folder = Deno.makeTempDirSync({ dir: parent, prefix: "procout-" });
  } catch {
    // It is absent, read-only, full or not ours: the next one may do.
    return undefined;
  }
  try {
    const path = `${folder}/fifo`;
    // Some file systems have no FIFOs.
    return makeFifo(path) ? open(path, O_PATH | O_CLOEXEC) : undefined;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
