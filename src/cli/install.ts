/** `reptyr --install`: this executable, and the link `procout` to it, in a folder of the user's choice. */

import { join } from "@std/path/join";
import { resolve } from "@std/path/resolve";
import { RefusedError } from "../errors.ts";
import { unlessGone } from "../proc/gone.ts";
import { explainInstallFailure, installFolder, pathNotes } from "./install_text.ts";
import { VERSION } from "./version.ts";

/** Bytes copied between two looks at whether the user wants to stop. */
const CHUNK = 1 << 20;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Installs into `wanted`, or where it is usual; the lines that say what was done. Everything is written beside its
 * place and renamed into it, so that a `reptyr` started meanwhile is the old one or the new one whole.
 * Throws RefusedError, and then nothing of it is left.
 */
export async function install(wanted: string | undefined): Promise<readonly string[]> {
  if (!Deno.build.standalone) {
    throw new RefusedError("Cannot install: this is no executable, but its source run by Deno", [
      "Run: deno task build && dist/reptyr --install",
    ]);
  }
  const isRoot = Deno.uid() === 0;
  const folder = resolve(installFolder(wanted, isRoot, Deno.env.get("HOME")));
  const lines: string[] = [];
  try {
    // The usual folder of a user is made; one that was named and is not there may be a slip of the pen.
    const made = wanted === undefined ? makeFolder(folder) : [];
    try {
      lines.push(await installInto(folder));
    } catch (error) {
      for (const path of made) Deno.removeSync(path);
      throw error;
    }
  } catch (error) {
    throw explainInstallFailure(error, folder, wanted, isRoot);
  }
  const holds = (path: string) => {
    const info = unlessUnreadable(() => Deno.statSync(path));
    return info?.isFile === true && ((info.mode ?? 0) & 0o111) !== 0;
  };
  return [...lines, ...pathNotes(folder, Deno.env.get("PATH") ?? "", holds)];
}

async function installInto(folder: string): Promise<string> {
  const executable = join(folder, "reptyr");
  const link = join(folder, "procout");
  if (!Deno.statSync(folder).isDirectory) throw new NotThatKindError(folder, "is no folder");
  for (const path of [executable, link]) {
    if (unlessGone(() => Deno.lstatSync(path))?.isDirectory === true) {
      throw new NotThatKindError(path, "is a folder");
    }
  }
  const source = Deno.execPath();
  const isThere = isSameFile(source, executable);
  const fresh = join(folder, `.reptyr.tmp-${Deno.pid}`);
  const freshLink = join(folder, `.procout.tmp-${Deno.pid}`);
  try {
    if (!isThere) await copyProgram(source, fresh);
    Deno.symlinkSync("reptyr", freshLink);
    if (!isThere) Deno.renameSync(fresh, executable);
    Deno.renameSync(freshLink, link);
  } finally {
    for (const path of [fresh, freshLink]) unlessGone(() => Deno.removeSync(path));
  }
  const done = isThere ? "is there already" : "is installed";
  return `${executable} ${done} (version ${VERSION}), with the link procout`;
}

/** Copies in pieces, so that ^C takes effect between them and the piece that was written is removed. */
async function copyProgram(from: string, to: string): Promise<void> {
  let stopped = false;
  const stop = () => stopped = true;
  for (const signal of SIGNALS) Deno.addSignalListener(signal, stop);
  try {
    using source = await Deno.open(from);
    using target = await Deno.open(to, { write: true, createNew: true, mode: 0o700 });
    const buffer = new Uint8Array(CHUNK);
    for (;;) {
      const count = await source.read(buffer);
      if (count === null) break;
      for (let done = 0; done < count;) done += await target.write(buffer.subarray(done, count));
      if (stopped) break;
    }
    // A delayed write may find the disk full only now.
    if (!stopped) await target.sync();
    if (stopped) throw new RefusedError("Interrupted: nothing is installed");
  } finally {
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, stop);
  }
  // Whatever the umask: what is installed for all must be readable for all.
  Deno.chmodSync(to, 0o755);
}

/** Something of the wrong kind stands where a file or folder is needed. */
class NotThatKindError extends RefusedError {
  constructor(path: string, what: string) {
    super(`Cannot install: ${path} ${what}`, ["Name another folder: reptyr --install=DIR"]);
  }
}

/** Makes `folder` and those above it; the ones that were not there, the deepest first. */
function makeFolder(folder: string): readonly string[] {
  const made: string[] = [];
  for (
    let path = folder;
    unlessGone(() => Deno.statSync(path)) === undefined;
    path = resolve(path, "..")
  ) made.push(path);
  Deno.mkdirSync(folder, { recursive: true });
  return made;
}

function isSameFile(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => unlessGone(() => Deno.lstatSync(path)));
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino;
}

function unlessUnreadable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
