/**
 * Reading files of a process that may end at any moment. A process that is gone is an ordinary answer
 * (`undefined`), not a failure; every other failure, such as missing permission, stays an error.
 */

/**
 * Whether `error` says that the process, thread or descriptor is no longer there: ENOENT when its
 * folder in /proc has gone, ESRCH when it ended between our open() and our read().
 */
export function isGone(error: unknown): boolean {
  if (error instanceof Deno.errors.NotFound) return true;
  if (!(error instanceof Error)) return false;
  // Deno has no class of its own for ESRCH, and leaves `code` unset for some calls.
  return (error as { code?: unknown }).code === "ESRCH" || /\(os error 3\)/.test(error.message);
}

/** The result of `read`, or undefined when what it reads is gone. */
export function unlessGone<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** As {@linkcode unlessGone}; undefined also when the kernel does not let us read it. */
export function readable<T>(read: () => T | undefined): T | undefined {
  try {
    return unlessGone(read);
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return undefined;
    throw error;
  }
}

/**
 * The folder of a process, or of one thread of it: `/proc/4242`, `/proc/4242/task/4243`.
 * /proc/PID itself shows nothing but a zombie once the first thread has exited, even while others live.
 */
export function procFolder(pid: number, tid?: number): string {
  return tid === undefined ? `/proc/${pid}` : `/proc/${pid}/task/${tid}`;
}

/**
 * Text of one file in the folder of a process or thread, undefined when it is gone. Bytes that are not
 * UTF-8 come back as U+FFFD: names and paths may hold any byte, and none may stop the parser.
 */
export function readProcText(pid: number, tid: number | undefined, file: string) {
  return unlessGone(() => Deno.readTextFileSync(`${procFolder(pid, tid)}/${file}`));
}

/**
 * As {@linkcode readProcText}, for a file that is as long as the process likes: at most its first `most` bytes. A process
 * may say of gigabytes of nothing that they are its arguments: PR_SET_MM_MAP in prctl(2).
 */
export function readProcStart(
  pid: number,
  tid: number | undefined,
  file: string,
  most: number,
): string | undefined {
  return unlessGone(() => {
    let text = "";
    for (const piece of pieces(`${procFolder(pid, tid)}/${file}`, most)) text += piece;
    return text;
  });
}

/** What `pick` takes of the lines of such a file: it is given some at a time, each whole, with its newline. */
export function readProcLines(
  pid: number,
  tid: number | undefined,
  file: string,
  most: number,
  pick: (lines: string) => string,
): string | undefined {
  return unlessGone(() => {
    let picked = "";
    let rest = "";
    for (const piece of pieces(`${procFolder(pid, tid)}/${file}`, most)) {
      const text = rest + piece;
      const end = text.lastIndexOf("\n") + 1;
      rest = text.slice(end);
      picked += pick(text.slice(0, end));
    }
    return picked;
  });
}

const PIECE = 1 << 14;

function* pieces(path: string, most: number): Generator<string> {
  using file = Deno.openSync(path);
  const decoder = new TextDecoder();
  const bytes = new Uint8Array(Math.min(most, PIECE));
  for (let left = most; left > 0;) {
    const count = file.readSync(left < PIECE ? bytes.subarray(0, left) : bytes) ?? 0;
    if (count === 0) break;
    yield decoder.decode(bytes.subarray(0, count), { stream: true });
    left -= count;
  }
}
