/**
 * The user's side of every command that shows another terminal: the terminal itself, raw mode, the screen, the window size,
 * signals, job control under the user's shell, and the exit status. What is shown is a {@linkcode Service}.
 */
import { writeStderr } from "../../log.ts";
import type { Pty } from "../../tty/pty.ts";
import { type KeySource, pump, type PumpEnd, type Watch } from "../../tty/pump.ts";
import type { RawMode } from "../../tty/raw_mode.ts";
import type { SignalInbox } from "../../tty/signal_inbox.ts";
import type { UserTerminal } from "../../tty/user_terminal.ts";
import { type WindowSize } from "../../tty/window_size.ts";
import { ENDING_SIGNALS, type EndingSignal, statusOf } from "./own_signals.ts";
import { enterRawMode, restoreAtExit, sizeOf } from "./own_terminal.ts";
import type { Redrawer } from "./redraw.ts";
import { ScreenKeeper } from "./screen_keeper.ts";
import { TtyForeground } from "./tty_foreground.ts";

/** A terminal that is shown on the user's, and what its command does as things happen to it. */
export interface Service {
  readonly pty: Pty;
  /** Makes the programs paint, and tells them of sizes. */
  readonly redrawer: Redrawer;
  /** Reads the keyboard. `turn` tells whether the keyboard is ours. */
  readonly keySource: (turn: TtyForeground) => KeySource;
  readonly watches: readonly Watch[];
  /** The signals to this program that end the service; it may change meanwhile. All of {@linkcode ENDING_SIGNALS} by default. */
  readonly endingSignals?: readonly EndingSignal[];
  /** Whether the programs have ended: what they wrote is shown to its end, and the service is over. */
  readonly isOver: () => boolean;
  /** Called when no program has the slave open. Whether to go on, with the slave held open by us. */
  readonly holdsOn: () => boolean;
  /** Called when the screen does not take `count` bytes. Whether to drop them; otherwise the screen is gone. */
  readonly drops?: (errno: number, count: number) => boolean;

  /** Called first when the service ends, with the user's screen as a prompt needs it. */
  readonly onEnd?: () => void;
  /** Called when {@linkcode isOver}; returns the exit status. */
  readonly onOver: () => number;
  /** Called when the programs have left the terminal, or another reptyr has taken it; returns the exit status. */
  readonly onLeft: () => number | Promise<number>;
  /** Called when we must go: `signal` was sent to us, or stands for the user's terminal, which is gone. */
  readonly hangUp: (signal: EndingSignal) => void;
  /** Called after {@linkcode hangUp} where standard output takes nothing more; returns the exit status. */
  readonly onScreenGone?: () => number;
  /** What to tell the user who has ended us by `signal`; undefined for nothing. */
  readonly farewell: (signal: EndingSignal) => string | undefined;
}

export class FrontEnd implements Disposable {
  readonly terminal: UserTerminal;
  readonly rawMode: RawMode;
  readonly screen: ScreenKeeper;
  /** The size of the user's terminal at any time. */
  readonly size: () => WindowSize;
  readonly signals: SignalInbox;
  readonly #cleanup: DisposableStack;

  /** From here on until disposal `terminal` is raw, and closed then. It is put right however this program ends. */
  constructor(terminal: UserTerminal, signals: SignalInbox) {
    using cleanup = new DisposableStack();
    this.terminal = cleanup.use(terminal);
    this.signals = signals;
    this.rawMode = cleanup.use(enterRawMode(terminal));
    this.screen = new ScreenKeeper(terminal);
    restoreAtExit(this.rawMode, this.screen, cleanup);
    this.size = sizeOf(terminal);
    this.#cleanup = cleanup.move();
  }

  /** Ends a wait in {@linkcode show}. */
  readonly wake = (): void => this.signals.wake();

  /** Show the terminal of `service` until it ends; resolves to the exit status for ours. */
  async show(service: Service): Promise<number> {
    const { terminal, rawMode, screen, signals, wake } = this;
    const { pty, redrawer } = service;
    const repaint = () => redrawer.repaint();
    using turn = new TtyForeground({ terminal, rawMode, screen, repaint, wake });
    const end = await pump({
      terminal,
      master: pty.master,
      signals,
      turn,
      keySource: service.keySource(turn),
      endingSignals: service.endingSignals ?? [...ENDING_SIGNALS.keys()],
      watches: service.watches,
      onShown: screen.watch,
      onUnwritable: service.drops,
      onResize: () => redrawer.resize(),
      onAbandoned: service.holdsOn,
      isOver: service.isOver,
    });
    screen.reset();
    service.onEnd?.();
    return await this.#finish(end, service);
  }

  #finish(end: PumpEnd<EndingSignal>, service: Service): number | Promise<number> {
    switch (end.reason) {
      case "over":
        return service.onOver();
      case "pty abandoned":
        this.rawMode[Symbol.dispose]();
        return service.onLeft();
      case "terminal gone":
        service.hangUp("SIGHUP");
        return statusOf("SIGHUP");
      case "screen gone":
        service.hangUp("SIGHUP");
        this.rawMode[Symbol.dispose]();
        return service.onScreenGone?.() ?? statusOf("SIGHUP");
      case "signal":
        return this.endBy(end.signal, service);
    }
  }

  /** End `service` as `signal` asks for; the exit status. */
  endBy(signal: EndingSignal, service: Pick<Service, "hangUp" | "farewell">): number {
    service.hangUp(signal);
    this.rawMode[Symbol.dispose]();
    const farewell = service.farewell(signal);
    if (farewell !== undefined) writeStderr(`reptyr: ${farewell}`);
    return statusOf(signal);
  }

  [Symbol.dispose](): void {
    this.#cleanup[Symbol.dispose]();
  }
}
