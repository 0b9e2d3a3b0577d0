/** The terminal that this program was started on, or what stands in its place. */
import {
  O_CLOEXEC,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDONLY,
  O_WRONLY,
  POLLOUT,
  TCGETS2,
  TIOCGDEV,
} from "../ffi/constants.ts";
import { close, ioctlGet, ioctlStruct, read, write } from "../ffi/descriptor.ts";
import { ERRNO } from "../ffi/errno.ts";
import { termios2 } from "../ffi/structs.ts";
import { layout, Struct } from "../struct.ts";
import type { Transfer } from "./channel.ts";
import {
  hasReader,
  isReady,
  readWhenReady,
  redirectedInput,
  redirectedOutput,
  type Stream,
  tryOpen,
} from "./redirected.ts";

/**
 * Both directions of the terminal behind standard input and output, never blocking. Each of the two may be a file, a
 * pipe or the like instead: redirected.ts.
 *
 * O_NONBLOCK belongs to the open file description, which we share with the shell: setting it there would
 * break the shell. So the terminal is opened once more; after `su`, when it belongs to another user, as /dev/tty,
 * which is anyone's. Where that is another terminal the shared descriptions are used, each transfer only when
 * poll(2) says that it will not block.
 */
export class UserTerminal implements Disposable {
  readonly keyboard: number;
  readonly keyboardIsTerminal: boolean;
  readonly screen: number;
  readonly screenIsTerminal: boolean;
  /** Whether an error of the screen is the end of it: a terminal that has hung up, a pipe without a reader. */
  readonly screenHasReader: boolean;
  readonly readFrom: Transfer;
  readonly writeTo: Transfer;
  readonly #opened: number[] = [];

  constructor(stdin = 0, stdout = 1) {
    this.keyboardIsTerminal = isTerminal(stdin);
    this.screenIsTerminal = isTerminal(stdout);
    this.screenHasReader = this.screenIsTerminal || hasReader(stdout);
    const input = this.keyboardIsTerminal
      ? this.#terminal(stdin, O_RDONLY, read, readWhenReady)
      : this.#redirected(redirectedInput(stdin));
    const output = this.screenIsTerminal
      ? this.#terminal(stdout, O_WRONLY, write, writeWhenReady)
      : this.#redirected(redirectedOutput(stdout));
    [this.keyboard, this.readFrom] = [input.fd, input.transfer];
    [this.screen, this.writeTo] = [output.fd, this.#watched(output.transfer)];
  }

  /** The error number of the last write that failed; undefined when none has. */
  get screenErrno(): number | undefined {
    return this.#screenErrno;
  }

  #screenErrno: number | undefined;

  #watched(writeTo: Transfer): Transfer {
    return (fd, bytes) => {
      const count = writeTo(fd, bytes);
      if (count < 0 && count !== -ERRNO.EAGAIN && count !== -ERRNO.EINTR) {
        this.#screenErrno = -count;
      }
      return count;
    };
  }

  #terminal(fd: number, access: number, transfer: Transfer, whenReady: Transfer): Stream {
    const opened = this.#openAgain(fd, access);
    return opened === undefined ? { fd, transfer: whenReady } : { fd: opened, transfer };
  }

  #redirected(stream: Stream & { readonly opened: boolean }): Stream {
    if (stream.opened) this.#opened.push(stream.fd);
    return stream;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#opened.splice(0)) close(fd);
  }

  #openAgain(fd: number, access: number): number | undefined {
    const flags = access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    const opened = tryOpen(`/proc/self/fd/${fd}`, flags) ?? openIfSame("/dev/tty", flags, fd);
    if (opened !== undefined) this.#opened.push(opened);
    return opened;
  }
}

function openIfSame(path: string, flags: number, fd: number): number | undefined {
  const opened = tryOpen(path, flags);
  if (opened === undefined || deviceOf(opened) === deviceOf(fd)) return opened;
  close(opened);
  return undefined;
}

function isTerminal(fd: number): boolean {
  return ioctlStruct(fd, TCGETS2, new Struct(termios2)) >= 0;
}

const unsigned = layout("unsigned int", 4, { value: [0, "u32"] });

/** The number of the terminal itself, also behind /dev/tty: TIOCGDEV in ioctl_tty(2). */
function deviceOf(fd: number): number {
  return ioctlGet(fd, TIOCGDEV, unsigned, `ioctl(${fd}, TIOCGDEV)`).get("value");
}

/** POLLOUT promises room for some bytes, not for all that wait: a small piece at a time. */
const PIECE = 128;

function writeWhenReady(fd: number, bytes: Uint8Array<ArrayBuffer>): number {
  return isReady(fd, POLLOUT) ? write(fd, bytes.subarray(0, PIECE)) : -ERRNO.EAGAIN;
}
