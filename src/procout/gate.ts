/**
 * What a child waits at before it becomes the program: opening a named pipe waits for its other end, fifo(7); an
 * anonymous one, opened by /proc, never does. So a folder is needed where one can be made, if only for a moment.
 */
import { RefusedError } from "../errors.ts";
import { O_CLOEXEC, O_PATH } from "../ffi/constants.ts";
import { makeFifo, open } from "../ffi/descriptor.ts";

/** A named pipe that has no name any more, as a descriptor for neither end. Throws RefusedError. */
export function openGate(): number {
  for (const folder of candidates()) {
    const gate = tryIn(folder);
    if (gate !== undefined) return gate;
  }
  throw new RefusedError(
    "Cannot hold the command up before it starts: that takes a named pipe, and no folder for it can be written",
    ["Set TMPDIR to a folder that can be written"],
  );
}

/** Nobody else sees the pipe, so any place will do: a read-only system has at least memory at one of them. */
function candidates(): string[] {
  const [temporary, runtime] = ["TMPDIR", "XDG_RUNTIME_DIR"].map((name) =>
    Deno.env.get(name) ?? ""
  );
  const folders = [temporary!, "/tmp", "/dev/shm", runtime!, "/run", "."];
  return folders.filter((folder) => folder !== "");
}

function tryIn(parent: string): number | undefined {
  let folder;
  try {
    folder = Deno.makeTempDirSync({ dir: parent, prefix: "procout-" });
  } catch {
    // Absent, read-only, full, somebody else's: the next one may do.
    return undefined;
  }
  try {
    const path = `${folder}/gate`;
    // Not every file system has named pipes.
    return makeFifo(path) ? open(path, O_PATH | O_CLOEXEC) : undefined;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
