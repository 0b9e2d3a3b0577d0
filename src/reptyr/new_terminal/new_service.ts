/** The time in which `reptyr -l` and `-L` serve their new terminal. */
import { POLLIN } from "../../ffi/constants.ts";
import { PollSet } from "../../ffi/descriptor.ts";
import { pollOnOtherThread } from "../../ffi/threads.ts";
import { writeStderr } from "../../log.ts";
import type { KeySource, Watch } from "../../tty/pump.ts";
import type { FrontEnd, Service } from "../frontend/front_end.ts";
import { IdleKeys } from "../frontend/idle_keys.ts";
import { ENDING_SIGNALS, type EndingSignal } from "../frontend/own_signals.ts";
import { Redrawer } from "../frontend/redraw.ts";
import type { TtyForeground } from "../frontend/tty_foreground.ts";
import type { NamedPty } from "./named_pty.ts";
import type { Program } from "./program.ts";

/** ^C and ^\ at a terminal are for its foreground job, and that is COMMAND with us: COMMAND decides whether to end. */
const COMMAND_DECIDES: readonly EndingSignal[] = ["SIGINT", "SIGQUIT"];

export class NewTerminalService implements Service, Disposable {
  readonly pty;
  readonly redrawer: Redrawer;
  readonly watches: readonly Watch[];
  readonly endingSignals: EndingSignal[];
  readonly #named: NamedPty;
  readonly #program: Program | undefined;
  readonly #front: FrontEnd;
  readonly #forProgram: readonly EndingSignal[];

  constructor(named: NamedPty, program: Program | undefined, front: FrontEnd) {
    const { pty } = named;
    this.pty = pty;
    this.#named = named;
    this.#program = program;
    this.#front = front;
    this.#forProgram = program?.place === "beside" ? COMMAND_DECIDES : [];
    this.endingSignals = [...ENDING_SIGNALS.keys()].filter((one) =>
      !this.#forProgram.includes(one)
    );
    this.watches = program === undefined
      ? []
      : [{ fd: program.pidfd, onReadable: () => this.#noteEnd(program) }];
    this.redrawer = new Redrawer({ how: "winch", pty, size: front.size, notify: () => {} });
  }

  readonly keySource = (turn: TtyForeground): KeySource => {
    const { terminal } = this.#front;
    return this.#program?.place === "on"
      ? { listening: true, hasHeld: false, read: terminal.readFrom, beforeWait: () => {} }
      : new IdleKeys({ pty: this.pty, terminal, turn });
  };

  readonly isOver = (): boolean =>
    this.#program?.place === "on" && this.#program.status !== undefined;

  /** Until COMMAND has ended, programs may come to the terminal. */
  readonly holdsOn = (): boolean => {
    if (this.pty.isTaken || this.#program?.status !== undefined) return false;
    this.#named.holdAgain();
    return true;
  };

  /** COMMAND, which is told next, may be on the user's terminal: as it was before us. */
  readonly onEnd = (): void => this.#front.rawMode[Symbol.dispose]();

  readonly onOver = (): number => this.#program?.status ?? 0;

  readonly onLeft = async (): Promise<number> => {
    if (!this.pty.isTaken) return this.onOver();
    writeStderr(`reptyr: another reptyr has taken ${this.pty.name} away from here`);
    // Ours would be one open of it that its new owner cannot close.
    this.pty.releaseSlave();
    return this.#program?.place === "beside" ? await this.#outlive(this.#program) : this.onOver();
  };

  readonly hangUp = (signal: EndingSignal): void => this.#program?.tell(signal);

  readonly farewell = (signal: EndingSignal): string | undefined =>
    signal === "SIGINT" ? undefined : `ended by ${signal}`;

  [Symbol.dispose](): void {
    this.redrawer[Symbol.dispose]();
  }

  #noteEnd(program: Program): void {
    program.reap();
    for (const signal of this.#forProgram) this.#front.signals.take(signal);
    this.endingSignals.push(...this.#forProgram);
    // From now on the master tells when nobody is on the terminal any more.
    this.pty.releaseSlave();
  }

  /** Stay until COMMAND has ended, which is still in the foreground of the user's terminal; its exit status. */
  async #outlive(program: Program): Promise<number> {
    const { signals } = this.#front;
    const poll = new PollSet(2);
    poll.watch(0, program.pidfd, POLLIN);
    poll.watch(1, signals.descriptor, POLLIN);
    while (program.status === undefined) {
      await pollOnOtherThread(poll);
      signals.settle();
      const signal = signals.takeAny(this.endingSignals);
      if (signal !== undefined) return this.#front.endBy(signal, this);
      if (poll.reported(0) !== 0) program.reap();
    }
    return program.status;
  }
}
