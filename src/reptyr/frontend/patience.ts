/**
 * Waiting for processes to stop, with turns of the event loop: the user is told what is waited for, and can give up. It
 * is for the time before anything of a process is changed.
 *
 * Keys are asked of nobody: for as long as it takes the terminal makes signals of those that mean one, and keeps the
 * others to be read later, by the moved program or, after a failure, by the shell.
 */
import { GivenUpError } from "../../errors.ts";
import { POLLOUT, SIGTSTP } from "../../ffi/constants.ts";
import { getpgrp } from "../../ffi/process.ts";
import { stopSelf } from "../../ffi/self_stop.ts";
import { writeStderr } from "../../log.ts";
import { readLiveStats } from "../../proc/stats.ts";
import { TRACE_SESSION } from "../../tracee/trace_session.ts";
import { Pauses, type Wait, waitingText, waitOut, type Waits } from "../../tracee/wait.ts";
import { isInForeground } from "../../tty/foreground.ts";
import { isReady } from "../../tty/redirected.ts";
import type { FrontEnd } from "./front_end.ts";
import { isOrphaned } from "./orphans.ts";
import { type OwnSignals, statusOf } from "./own_signals.ts";

/** Threads stop within microseconds: for so long nobody needs to be heard. */
const QUIET_MS = 50;
/** After that time the user is told. */
const TELL_MS = 1000;
/** Between two looks. */
const LOOK_MS = 10;
/** How long a listener may take to run after its signal. */
const LISTENER_MS = 50;
/** In the background: how often to look whether the shell has put us in the foreground again. No signal tells. */
const FOREGROUND_CHECK_MS = 200;

export class Patience {
  readonly #front: Pick<FrontEnd, "terminal" | "rawMode">;
  readonly #signals: OwnSignals;
  readonly #told = new Set<number>();
  #isTried = false;

  constructor(front: Pick<FrontEnd, "terminal" | "rawMode">, signals: OwnSignals) {
    this.#front = front;
    this.#signals = signals;
  }

  /** Whether it was needed: then {@linkcode end} is owed before anything is changed. */
  get isTried(): boolean {
    return this.#isTried;
  }

  /** Wait to the end. Throws GivenUpError when the user does not want to, with SIGTSTP for a while. */
  async wait<T>(waits: Waits<T>): Promise<T> {
    const start = performance.now();
    const pauses = new Pauses();
    for (;;) {
      const turn = waits.next();
      if (turn.done === true) return turn.value;
      if (performance.now() - start < QUIET_MS) pauses.pause(turn.value);
      else {
        try {
          await this.#look(turn.value, start);
        } catch (error) {
          this.#handleSignals(false);
          const rest = waits.throw(error);
          if (rest.done !== true) waitOut(waits);
          throw error;
        }
      }
    }
  }

  /** From here on keys are the program's, and nobody can give up. */
  async end(): Promise<void> {
    this.#handleSignals(false);
    // What came before that is heard now.
    await pause(LISTENER_MS);
    this.#throwIfGivenUp();
  }

  /** Do `attempt` until it is not broken off for a while by ^Z, in which we are stopped. */
  async repeat<T>(attempt: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof GivenUpError) || error.signal !== "SIGTSTP") throw error;
        await this.#suspend();
      }
    }
  }

  /**
   * Stop as ^Z asks for, once all has been let go; returns when we are in the foreground again. At once where a thread
   * cannot be let go of: it would come to its stop, and stay there.
   */
  async #suspend(): Promise<void> {
    const { terminal: { keyboard, keyboardIsTerminal }, rawMode } = this.#front;
    const { pendingDetach } = TRACE_SESSION;
    pendingDetach.await();
    const [stray] = pendingDetach.living();
    if (stray !== undefined) {
      writeStderr(`reptyr: Not stopped: thread ${stray} cannot be let go of now`);
      return;
    }
    rawMode.suspend();
    stopSelf(SIGTSTP);
    while (keyboardIsTerminal && !isInForeground(keyboard)) {
      await pause(FOREGROUND_CHECK_MS);
      this.#throwIfGivenUp();
    }
    rawMode.resume();
    this.#told.clear();
    this.#signals.inbox.take("SIGCONT");
    this.#signals.inbox.take("SIGTSTP");
  }

  #handleSignals(on: boolean): void {
    if (this.#isTried === on) return;
    this.#isTried = on;
    this.#signals.suspension?.set(on);
    this.#front.rawMode.handleSignals(on);
  }

  async #look(wait: Wait, start: number): Promise<void> {
    this.#handleSignals(true);
    if (performance.now() - start > TELL_MS) this.#tell(wait);
    await pause(LOOK_MS);
    this.#throwIfGivenUp();
  }

  #throwIfGivenUp(): void {
    const { inbox, handled } = this.#signals;
    const signal = inbox.takeAny(handled);
    if (signal !== undefined) throw new GivenUpError(signal, statusOf(signal));
    // Nobody would continue us in an orphaned group.
    if (inbox.take("SIGTSTP") && !isOrphaned(getpgrp(), readLiveStats())) {
      throw new GivenUpError("SIGTSTP", 128 + SIGTSTP);
    }
  }

  /** The program that shows our terminal may be among those who are stopped: so never wait to write. */
  #tell(wait: Wait): void {
    if (this.#told.has(wait.tid) || !isReady(2, POLLOUT)) return;
    this.#told.add(wait.tid);
    const how = this.#signals.handled.includes("SIGINT") ? "; ^C gives up" : "";
    writeStderr(`reptyr: ${waitingText(wait)}${how}`);
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
