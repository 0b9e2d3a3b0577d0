/** The terminal that this program was started on. */
import {
  O_CLOEXEC,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDONLY,
  O_WRONLY,
  POLLIN,
  POLLOUT,
  TIOCGDEV,
} from "../ffi/constants.ts";
import { close, ioctlGet, open, PollSet, read, write } from "../ffi/descriptor.ts";
import { ERRNO } from "../ffi/errno.ts";
import { SyscallError } from "../errors.ts";
import { layout } from "../struct.ts";
import type { Transfer } from "./channel.ts";

/**
 * Both directions of the terminal behind standard input and output, never blocking.
 *
 * O_NONBLOCK belongs to the open file description, which we share with the shell: setting it there would
 * break the shell. So the terminal is opened once more; after `su`, when it belongs to another user, as /dev/tty,
 * which is anyone's. Where that is another terminal the shared descriptions are used, each transfer only when
 * poll(2) says that it will not block.
 */
export class UserTerminal implements Disposable {
  readonly keyboard: number;
  readonly screen: number;
  readonly readFrom: Transfer;
  readonly writeTo: Transfer;
  readonly #opened: number[] = [];

  constructor(stdin = 0, stdout = 1) {
    const keyboard = this.#openAgain(stdin, O_RDONLY);
    const screen = this.#openAgain(stdout, O_WRONLY);
    this.keyboard = keyboard ?? stdin;
    this.screen = screen ?? stdout;
    this.readFrom = keyboard === undefined ? readWhenReady : read;
    this.writeTo = screen === undefined ? writeWhenReady : write;
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

function tryOpen(path: string, flags: number): number | undefined {
  try {
    return open(path, flags);
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}

function openIfSame(path: string, flags: number, fd: number): number | undefined {
  const opened = tryOpen(path, flags);
  if (opened === undefined || deviceOf(opened) === deviceOf(fd)) return opened;
  close(opened);
  return undefined;
}

const unsigned = layout("unsigned int", 4, { value: [0, "u32"] });

/** The number of the terminal itself, also behind /dev/tty: TIOCGDEV in ioctl_tty(2). */
function deviceOf(fd: number): number {
  return ioctlGet(fd, TIOCGDEV, unsigned, `ioctl(${fd}, TIOCGDEV)`).get("value");
}

function isReady(fd: number, event: number): boolean {
  const set = new PollSet(1);
  set.watch(0, fd, event);
  return set.poll(0) > 0;
}

function readWhenReady(fd: number, bytes: Uint8Array<ArrayBuffer>): number {
  return isReady(fd, POLLIN) ? read(fd, bytes) : -ERRNO.EAGAIN;
}

/** POLLOUT promises room for some bytes, not for all that wait: a small piece at a time. */
const PIECE = 128;

function writeWhenReady(fd: number, bytes: Uint8Array<ArrayBuffer>): number {
  return isReady(fd, POLLOUT) ? write(fd, bytes.subarray(0, PIECE)) : -ERRNO.EAGAIN;
}
