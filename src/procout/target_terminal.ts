/** The terminal that a target writes to: its size and its settings, and a repaint. We have it only while it is asked. */
import { O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_RDONLY, ONLCR, OPOST } from "../ffi/constants.ts";
import { close } from "../ffi/descriptor.ts";
import { ERRNO } from "../ffi/errno.ts";
import { pidfdGetfd, pidfdOpen, pidfdOpenThread } from "../ffi/process.ts";
import { decodeDevice, isTerminal } from "../proc/device.ts";
import { procFolder, readable } from "../proc/gone.ts";
import { readOpenFile } from "../proc/open_file.ts";
import { livingThread } from "../proc/stat.ts";
import { readStatus } from "../proc/status.ts";
import { tryOpen } from "../tty/redirected.ts";
import { getTermios } from "../tty/termios.ts";
import {
  getWindowSize,
  oneRowOff,
  sameSize,
  trySetWindowSize,
  type WindowSize,
} from "../tty/window_size.ts";
import { type CastTerminal, NO_TERMINAL } from "./formats/cast.ts";

/** In the order in which a program's output is looked for. */
const STANDARD = [1, 2, 0];

/** How long the odd size stands: time for a program to take it in before the right one comes. */
const ODD_SIZE_MS = 100;

export class TargetTerminal {
  readonly #pids: readonly number[];

  /** Of the first of `pids` that is on one. */
  constructor(pids: readonly number[]) {
    this.#pids = pids;
  }

  /** For asciicast; NO_TERMINAL where there is none. */
  describe(): CastTerminal {
    return this.#use((fd) => {
      const size = getWindowSize(fd);
      const oflag = getTermios(fd).get("c_oflag");
      // A terminal that was never given a size says 0.
      return {
        columns: size.get("ws_col") || NO_TERMINAL.columns,
        rows: size.get("ws_row") || NO_TERMINAL.rows,
        translatesNewlines: (oflag & OPOST) !== 0 && (oflag & ONLCR) !== 0,
      };
    }) ?? NO_TERMINAL;
  }

  /**
   * Make what is on it repaint: another size for a moment, as many programs ignore SIGWINCH when the size is the one they
   * know. Disposing of the result cuts that moment off.
   */
  redraw(): Disposable {
    const sizes = this.#use((fd) => {
      const right = getWindowSize(fd);
      const odd = oneRowOff(right);
      return trySetWindowSize(fd, odd) ? { right, odd } : undefined;
    });
    if (sizes === undefined) return { [Symbol.dispose]: () => {} };
    let done = false;
    const restore = () => {
      if (!done) this.#restore(sizes);
      done = true;
    };
    const timer = setTimeout(restore, ODD_SIZE_MS);
    return {
      [Symbol.dispose]: () => {
        clearTimeout(timer);
        restore();
      },
    };
  }

  /** Unless the user has resized it meanwhile. */
  #restore({ right, odd }: { right: WindowSize; odd: WindowSize }): void {
    this.#use((fd) => {
      if (sameSize(getWindowSize(fd), odd)) trySetWindowSize(fd, right);
    });
  }

  /** The result of `use`; undefined when there is no terminal, or it has hung up. */
  #use<T>(use: (fd: number) => T): T | undefined {
    for (const pid of this.#pids) {
      const tid = readable(() => livingThread(pid)) ?? pid;
      const folder = procFolder(pid, tid);
      for (const number of STANDARD) {
        const path = `${folder}/fd/${number}`;
        const file = readOpenFile(path);
        if (!file?.isCharDevice || !isTerminal(decodeDevice(file.rdev))) continue;
        const fd = descriptorOf(pid, tid, number);
        if (fd < 0) continue;
        try {
          return use(fd);
        } catch {
          continue; // it has hung up, or is only the name of a terminal: O_PATH in open(2)
        } finally {
          close(fd);
        }
      }
    }
    return undefined;
  }
}

/**
 * The target's own open file, not the file opened once more: that would be with our rights, and the target need not have
 * any. Before Linux 5.6, whose kernel does not hand it out, only as far as the target's user could do it.
 */
function descriptorOf(pid: number, tid: number, number: number): number {
  const pidfd = tid === pid ? pidfdOpen(pid) : pidfdOpenThread(tid);
  const fd = pidfd < 0 ? pidfd : pidfdGetfd(pidfd, number);
  if (pidfd >= 0) close(pidfd);
  const isOwn = () => readable(() => readStatus(pid))?.uids[1] === Deno.uid();
  if (fd !== -ERRNO.ENOSYS || !isOwn()) return fd;
  const flags = O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
  return tryOpen(`${procFolder(pid, tid)}/fd/${number}`, flags) ?? fd;
}
