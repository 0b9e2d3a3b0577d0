/** Where the mirror goes. Nothing here blocks for long: a reader that is slow must not make this program deaf. */
import { RefusedError, SyscallError } from "../errors.ts";
import {
  F_GETPIPE_SZ,
  F_SETPIPE_SZ,
  O_APPEND,
  O_CLOEXEC,
  O_NOCTTY,
  O_NONBLOCK,
  O_TRUNC,
  O_WRONLY,
  POLLIN,
  POLLOUT,
} from "../ffi/constants.ts";
import { close, create, fcntl, open, PollSet, write } from "../ffi/descriptor.ts";
import { describeErrno, ERRNO } from "../ffi/errno.ts";
import { usleep } from "../ffi/process.ts";
import { pollOnOtherThread } from "../ffi/threads.ts";
import type { ReadyHandler } from "./engine.ts";

/** A reader usually makes room within this time; longer, and signals are waited for at the same time. */
const PATIENCE_MS = 20;
/** POLLOUT of a pipe promises room for PIPE_BUF bytes; a terminal shared with others gives no such promise. */
const PIECE = 4096;
const TERMINAL_PIECE = 128;
/** Writes up to the one are put together up to the other, while {@linkcode Output.gather} is on. */
const SMALL = 8192;
const GATHERED = 1 << 16;
/** A pipe holds less at first, and each time it is full both sides have to be switched: pipe(7), "Pipe capacity". */
const PIPE_BYTES = 1 << 20;
/** There is room as soon as the reader has taken a page: wait for some more, rather than for each one. */
const LARGE_PIPE_PAUSE_US = 150;

export class Output implements Disposable {
  readonly #fd: number;
  readonly #name: string;
  /** Bytes per write where the descriptor might block, each after POLLOUT. */
  readonly #piece: number | undefined;
  readonly #owned: boolean;
  readonly #poll = new PollSet(2);
  readonly #readyPoll = new PollSet(1);
  #readyHandler: ReadyHandler | undefined;
  #pauseUs = 0;
  readonly #queue: Uint8Array<ArrayBuffer>[] = [];
  #ready: Promise<void> | undefined;
  #isGone = false;
  #failure: RefusedError | undefined;
  #isGathering = false;
  readonly #gathered = new Uint8Array(GATHERED);
  #gatheredLength = 0;

  private constructor(fd: number, name: string, owned: boolean, piece?: number) {
    this.#fd = fd;
    this.#name = name;
    this.#owned = owned;
    this.#piece = piece;
  }

  /** Our own standard output or error output. */
  static standard(fd: 1 | 2): Output {
    const name = fd === 1 ? "the standard output" : "the standard error output";
    const path = `/proc/self/fd/${fd}`;
    let isTerminal = false;
    try {
      const info = Deno.statSync(path);
      // Opened again it would have a position of its own. A file never makes anyone wait for long.
      if (info.isFile) return new Output(fd, name, false);
      isTerminal = info.isCharDevice === true;
      const isLargePipe = info.isFifo &&
        (fcntl(fd, F_GETPIPE_SZ, 0) >= PIPE_BYTES || fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES) > 0);
      // O_NONBLOCK belongs to the open file description, which we share with the program that started us.
      const own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
      const output = new Output(own, name, true);
      output.#pauseUs = isLargePipe ? LARGE_PIPE_PAUSE_US : 0;
      return output;
    } catch {
      return new Output(fd, name, false, isTerminal ? TERMINAL_PIECE : PIECE);
    }
  }

  /** A new file, or what is there already: from its end on, or emptied. Throws RefusedError. */
  static file(path: string, append: boolean): Output {
    const flags = O_WRONLY | O_CLOEXEC | O_NOCTTY | (append ? O_APPEND : O_TRUNC);
    try {
      const fd = create(path, flags);
      if (Deno.statSync(`/proc/self/fd/${fd}`).isFile) return new Output(fd, path, true);
      // Not closed before the other is open: the reader of a pipe would take that for the end.
      const nonblocking = open(`/proc/self/fd/${fd}`, flags | O_NONBLOCK);
      close(fd);
      return new Output(nonblocking, path, true);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      throw new RefusedError(`Cannot write to ${path}: ${error.reason}`, [], { cause: error });
    }
  }

  /** What it writes to. */
  get descriptor(): number {
    return this.#fd;
  }

  /** Whether its reader has gone away: there is nobody to write for. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Nobody reads any more: found out without a write. */
  giveUp(): void {
    this.#isGone = true;
  }

  /** Why nothing can be written any more. */
  get failure(): RefusedError | undefined {
    return this.#failure;
  }

  /** Whether something waits to be written. */
  get isBlocked(): boolean {
    return this.#queue.length > 0;
  }

  /** Write `bytes`, or keep a copy of what cannot be written now. Never throws. */
  write(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#isGone || this.#failure !== undefined) return;
    if (!this.#isGathering || bytes.length > SMALL) {
      this.flush();
      return this.#put(bytes);
    }
    if (this.#gatheredLength + bytes.length > GATHERED) this.flush();
    this.#gathered.set(bytes, this.#gatheredLength);
    this.#gatheredLength += bytes.length;
  }

  /** Heed `bell` whenever this waits for its reader. */
  onReady(readyHandler: ReadyHandler): void {
    this.#readyHandler = readyHandler;
  }

  /** Whether to put small writes together, until {@linkcode flush} or until there are many. */
  gather(on: boolean): void {
    this.#isGathering = on;
    if (!on) this.flush();
  }

  /** Write what was put together. */
  flush(): void {
    const length = this.#gatheredLength;
    if (length === 0) return;
    this.#gatheredLength = 0;
    this.#put(this.#gathered.subarray(0, length));
  }

  #put(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#isGone || this.#failure !== undefined) return;
    if (this.isBlocked) return void this.#queue.push(bytes.slice());
    const written = this.#writeNow(bytes);
    if (written < bytes.length && !this.#isGone && this.#failure === undefined) {
      this.#queue.push(bytes.slice(written));
    }
  }

  /** Settles when writing may go on; to be followed by {@linkcode retry}. */
  async ready(): Promise<void> {
    if (this.#ready === undefined) {
      this.#readyPoll.watch(0, this.#fd, POLLOUT);
      this.#ready = pollOnOtherThread(this.#readyPoll).finally(() => this.#ready = undefined);
    }
    await this.#ready;
  }

  /** Write what waits, as far as that goes. */
  retry(): void {
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      const written = this.#writeNow(first);
      if (this.#isGone || this.#failure !== undefined) this.#queue.length = 0;
      else if (written < first.length) {
        this.#queue[0] = first.subarray(written);
        return;
      } else this.#queue.shift();
    }
  }

  [Symbol.dispose](): void {
    if (this.#owned) close(this.#fd);
  }

  /** How many bytes went. */
  #writeNow(bytes: Uint8Array<ArrayBuffer>): number {
    for (let done = 0; done < bytes.length;) {
      const count = this.#writeOnce(done === 0 ? bytes : bytes.subarray(done));
      if (count >= 0) done += count;
      else if (count === -ERRNO.EAGAIN) {
        if (!this.#waitForRoom(PATIENCE_MS)) return done;
      } else if (count === -ERRNO.EPIPE) {
        this.#isGone = true;
        return done;
      } else if (count !== -ERRNO.EINTR) {
        this.#fail(count);
        return done;
      }
    }
    return bytes.length;
  }

  #writeOnce(bytes: Uint8Array<ArrayBuffer>): number {
    if (this.#piece === undefined) return write(this.#fd, bytes);
    return this.#waitForRoom(0) ? write(this.#fd, bytes.subarray(0, this.#piece)) : -ERRNO.EAGAIN;
  }

  #waitForRoom(milliseconds: number): boolean {
    if (milliseconds > 0 && this.#pauseUs > 0) usleep(this.#pauseUs);
    const end = performance.now() + milliseconds;
    for (let left = milliseconds;; left = Math.ceil(end - performance.now())) {
      this.#poll.watch(0, this.#fd, POLLOUT);
      this.#poll.watch(1, this.#readyHandler?.fd ?? -1, POLLIN);
      if (this.#poll.poll(Math.max(left, 0)) <= 0) return false;
      if (this.#poll.reported(1) !== 0) this.#readyHandler?.ring();
      if (this.#poll.reported(0) !== 0) return true;
      if (left <= 0) return false;
    }
  }

  #fail(result: number): void {
    const { reason, code } = describeErrno(-result);
    // A terminal that has hung up is a reader that has gone away.
    if (result === -ERRNO.EIO && this.#piece === undefined && this.#owned) this.#isGone = true;
    else this.#failure = new RefusedError(`Cannot write to ${this.#name}: ${reason} (${code})`);
  }
}
