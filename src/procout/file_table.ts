/** The descriptors of a process as far as they matter, asked for once and forgotten when a call changes them. */
import { KCMP_FILE } from "../ffi/constants.ts";
import { ERRNO } from "../ffi/errno.ts";
import { kcmp } from "../ffi/process.ts";
import { decodeDevice, type Device } from "../proc/device.ts";
import { readOpenFile } from "../proc/open_file.ts";
import { readStat } from "../proc/stat.ts";
import { fileKey, type SinkFacts, streamOf } from "./descriptors.ts";
import type { SinkOutputs, Stream, WatchRequest } from "./engine.ts";

const NONE = -1;
const STANDARD = [1, 2];

/** One table of descriptors, which several processes may share: clone(2), CLONE_FILES. */
export class FileTable {
  readonly #streams = new Map<number, Stream | typeof NONE>();
  /**
   * For a descriptor that is not watched: those not open at the time that would have decided. Very many calls make a
   * descriptor, by any of which it may be: open(2), accept(2), SCM_RIGHTS of unix(7), pidfd_getfd(2) of somebody else.
   */
  readonly #missing = new Map<number, readonly number[]>();
  readonly #request: Pick<WatchRequest, "choice" | "outputSink">;

  constructor(request: Pick<WatchRequest, "choice" | "outputSink">) {
    this.#request = request;
  }

  /** Which output a write to `fd` by thread `tid` belongs to; -1 when it is not watched. */
  streamOf(pid: number, tid: number, fd: number): Stream | typeof NONE {
    let stream = this.#streams.get(fd);
    if (stream === NONE && this.#missing.get(fd)?.some((one) => isOpen(tid, one))) {
      stream = undefined;
    }
    if (stream === undefined) {
      // Looked at before the others: what another thread opens in between is asked about once more.
      const missing = [...STANDARD, fd].filter((one) => !isOpen(tid, one));
      const { choice, outputSink } = this.#request;
      stream = streamOf(fd, choice, {
        isSameDescription: (one, other) => {
          const order = kcmp(tid, tid, KCMP_FILE, one, other);
          return order < 0 ? undefined : order === 0;
        },
        fileKey: (one) => readFileKey(pid, tid, one),
        outputSink: outputSink && sinkFacts(outputSink, pid, tid),
      }) ?? NONE;
      this.#streams.set(fd, stream);
      if (stream === NONE && choice.numbers === undefined && missing.length > 0) {
        this.#missing.set(fd, missing);
      } else this.#missing.delete(fd);
    }
    return stream;
  }

  /** `fd` is another file from now on, or none. What is the same file as 1 or 2 is anew to be asked when these change. */
  change(fd: number): void {
    if (fd === 1 || fd === 2) this.#streams.clear();
    else this.#streams.delete(fd);
  }

  /** The same for all from `first` to `last`. */
  changeRange(first: number, last: number): void {
    if (first <= 2) return this.#streams.clear();
    for (const fd of this.#streams.keys()) {
      if (fd >= first && fd <= last) this.#streams.delete(fd);
    }
  }
}

/** Where the kernel has no kcmp(2) nobody can tell that quickly, and none is taken for missing. */
function isOpen(tid: number, fd: number): boolean {
  return kcmp(tid, tid, KCMP_FILE, fd, fd) !== -ERRNO.EBADF;
}

function sinkFacts(outputSink: SinkOutputs, pid: number, tid: number): SinkFacts {
  const { command, stdout, stderr } = outputSink;
  const isSame = (fd: number, own: number) => kcmp(tid, Deno.pid, KCMP_FILE, fd, own) === 0;
  return {
    isCommand: command === undefined || pid === command,
    // Both may be one description, of the user's terminal for instance.
    sameAs: (fd) =>
      (fd === 2 ? [2, 1] as const : [1, 2] as const).find((stream) =>
        isSame(fd, stream === 1 ? stdout : stderr)
      ),
    fileKeys: [stdout, stderr].map((own) => readFileKey(Deno.pid, Deno.pid, own)),
  };
}

function readFileKey(pid: number, tid: number, fd: number): string | undefined {
  try {
    const path = `/proc/${pid}/task/${tid}/fd/${fd}`;
    const link = Deno.readLinkSync(path);
    const file = readOpenFile(path);
    if (file === undefined || !file.isTold) return undefined;
    const { dev, ino, rdev, isCharDevice } = file;
    const device = isCharDevice ? decodeDevice(rdev) : undefined;
    return fileKey({ dev, ino, device, link }, controllingTerminal(pid));
  } catch {
    return undefined; // not open, or not to be seen: then it is nobody's equal
  }
}

function controllingTerminal(pid: number): Device | undefined {
  const ttyNr = readStat(pid)?.ttyNr ?? 0;
  return ttyNr === 0 ? undefined : decodeDevice(ttyNr);
}
