/**
 * What a command has for its standard output while the user is shown the mirror of it instead: a terminal where the
 * user's is one, so that the command writes as it would there, else {@linkcode WELLS}.
 */
import { SyscallError } from "../errors.ts";
import { O_CLOEXEC, O_RDWR, O_WRONLY, POLLIN } from "../ffi/constants.ts";
import { close, open, PollSet, read } from "../ffi/descriptor.ts";
import type { SpawnFile } from "../ffi/spawn.ts";
import { pollOnOtherThread } from "../ffi/threads.ts";
import { Pty } from "../tty/pty.ts";
import { getTermios, setTermios } from "../tty/termios.ts";
import { getWindowSize, trySetWindowSize } from "../tty/window_size.ts";

/**
 * They take everything, and unlike /dev/null hardly anybody writes to them on purpose. The first one reads it, too, and
 * stirs it into its pool: random(4). So all of it is in the command's memory when the call returns, where a program of
 * the engine bpf can read no page that nobody has touched. Not every container has both.
 */
const WELLS = ["/dev/urandom", "/dev/zero"] as const;

/** How long a nap is when nothing comes. */
const NAP_MS = 1;

export class OutputSink implements Disposable {
  readonly files: readonly SpawnFile[];
  /** The same open file descriptions as the command's, in this program. */
  readonly stdout: number;
  readonly stderr: number;
  readonly #pty: Pty | undefined;
  readonly #likeFd: number = 1;
  readonly #set = new PollSet(1);
  readonly #buffer = new Uint8Array(1 << 16);

  constructor() {
    const terminals = [1, 2].filter((fd) => (fd === 1 ? Deno.stdout : Deno.stderr).isTerminal());
    const [like] = terminals;
    const pty = like === undefined ? undefined : Pty.open();
    this.#pty = pty;
    if (pty !== undefined && like !== undefined) {
      this.#likeFd = like;
      this.resize();
      setTermios(pty.slave, getTermios(like));
    }
    const openFor = (fd: number) =>
      pty !== undefined && terminals.includes(fd) ? pty.openSlave(O_RDWR) : openWell();
    this.stdout = openFor(1);
    this.stderr = openFor(2);
    this.files = [{ fd: 1, dup: this.stdout }, { fd: 2, dup: this.stderr }];
  }

  /** Empties the terminal, which takes no more once it is full; undefined where there is none. */
  get drainOnce(): (() => void) | undefined {
    const pty = this.#pty;
    return pty === undefined ? undefined : () => this.#empty(pty, NAP_MS);
  }

  /** Throw away what has been written to the terminal by now. */
  empty(): void {
    if (this.#pty !== undefined) this.#empty(this.#pty, 0);
  }

  /** Settles when there is something to be thrown away; undefined without a terminal. */
  filled(): Promise<unknown> | undefined {
    if (this.#pty === undefined) return undefined;
    const set = new PollSet(1);
    set.watch(0, this.#pty.master, POLLIN);
    // The set has to live as long as the call.
    return pollOnOtherThread(set).finally(() => set.reported(0));
  }

  /** The user's terminal may have another size. */
  resize(): void {
    if (this.#pty === undefined) return;
    trySetWindowSize(this.#pty.master, getWindowSize(this.#likeFd));
  }

  [Symbol.dispose](): void {
    close(this.stdout);
    close(this.stderr);
    this.#pty?.[Symbol.dispose]();
  }

  #empty({ master }: Pty, milliseconds: number): void {
    this.#set.watch(0, master, POLLIN);
    if (this.#set.poll(milliseconds) <= 0) return;
    while (read(master, this.#buffer) > 0);
  }
}

/** Throws SyscallError when there is none. */
function openWell(): number {
  const [best, other] = WELLS;
  try {
    return open(best, O_WRONLY | O_CLOEXEC);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return open(other, O_WRONLY | O_CLOEXEC);
  }
}
