/**
 * `reptyr -l` and `reptyr -L`: a new terminal, served on the user's own, for programs that are told its name or are
 * started on it.
 */
import { CommandError, RefusedError, SyscallError } from "../../errors.ts";
import { O_CLOEXEC, O_NOCTTY, O_RDWR, POLLIN } from "../../ffi/constants.ts";
import { close, open, PollSet } from "../../ffi/descriptor.ts";
import { pidfdOpen } from "../../ffi/process.ts";
import { orThrow } from "../../ffi/raw.ts";
import { spawn } from "../../ffi/spawn.ts";
import { ignoreAgain } from "../../ffi/own_limits.ts";
import { pollOnOtherThread, reserveThreads } from "../../ffi/threads.ts";
import { verbose, writeStderr } from "../../log.ts";
import { statusNow } from "../../tracee/wait.ts";
import { Pty } from "../../tty/pty.ts";
import { pump, PUMP_THREADS, type PumpEnd } from "../../tty/pump.ts";
import { RawMode } from "../../tty/raw_mode.ts";
import type { Termios } from "../../tty/settings.ts";
import { SignalInbox } from "../../tty/signal_inbox.ts";
import { getTermios, setTermios } from "../../tty/termios.ts";
import { UserTerminal } from "../../tty/user_terminal.ts";
import { setWindowSize, tryGetWindowSize } from "../../tty/window_size.ts";
import { inheritedIgnored } from "../../proc/inherited_signals.ts";
import { signalOwnChild } from "../gate/gate.ts";
import { ENDING_SIGNALS, sortSignals } from "../frontend/own_signals.ts";
import { IdleKeys } from "../frontend/idle_keys.ts";
import { restoreAtExit, sizeOf } from "../frontend/own_terminal.ts";
import { ScreenKeeper } from "../frontend/screen_keeper.ts";
import { changeSize, Redrawer } from "../frontend/redraw.ts";
import { TtyForeground } from "../frontend/tty_foreground.ts";

export interface NewTerminalOptions {
  /** COMMAND with its arguments; may be empty. */
  readonly command: readonly string[];
  /**
   * `on`: COMMAND leads a session that the new terminal controls. `beside`: it runs as we do, on the user's terminal,
   * and finds the new one by name.
   */
  readonly place: "on" | "beside";
}

/** Where COMMAND finds the name of the new terminal. */
const NAME_VARIABLE = "REPTYR_PTY";

/**
 * Make a terminal, print its name, and serve it: until COMMAND has ended, and whoever else it brought to a terminal
 * beside it has left that; without COMMAND until a signal ends us. The exit status for ours: that of COMMAND as a shell has it, or 128 + N when signal N ended us. Throws CommandError when
 * COMMAND cannot be run, with the user's terminal untouched.
 */
export async function newTerminal({ command, place }: NewTerminalOptions): Promise<number> {
  using cleanup = new DisposableStack();
  // COMMAND may be the last process that this user can have.
  // COMMAND inherits what is ignored: asked before the first listener, which the thread for signals begins with.
  const ignoredBefore = inheritedIgnored();
  SignalInbox.startThread();
  ignoreAgain(ignoredBefore);
  reserveThreads(PUMP_THREADS);
  const terminal = cleanup.use(new UserTerminal());
  const pty = cleanup.use(Pty.open());
  requireName(pty);
  const size = sizeOf(terminal);
  const settings = getTermios(terminal.keyboard);
  setTermios(pty.slave, settings);
  setWindowSize(pty.slave, size());
  printName(pty);

  const program = command.length === 0
    ? undefined
    : Program.start({ command, place }, pty, cleanup);
  // Not before: COMMAND inherits what is ignored, and where a listener has come in its place execve(2) makes it default.
  const { handled, ignored } = sortSignals(ENDING_SIGNALS);
  const signals = new SignalInbox([...handled, "SIGWINCH", "SIGCONT"], ignored);
  const rawMode = cleanup.use(RawMode.enter(terminal.keyboard));
  const screen = new ScreenKeeper(terminal);
  restoreAtExit(rawMode, screen, cleanup);
  const notify = () => {};
  const redrawer = cleanup.use(new Redrawer({ how: "winch", pty, size, notify }));
  const repaint = () => redrawer.request(tryGetWindowSize(pty.master));
  const wake = () => signals.wake();
  const turn = cleanup.use(new TtyForeground({ terminal, rawMode, screen, repaint, wake }));
  // ^C and ^\\ at a terminal are for its foreground job, and that is COMMAND with us: it decides whether to end.
  const forProgram = program?.place === "beside" ? COMMAND_DECIDES : [];
  const endingSignals = [...ENDING_SIGNALS.keys()].filter((one) => !forProgram.includes(one));
  const onEnd = () => {
    program?.reap();
    for (const signal of forProgram) signals.take(signal);
    endingSignals.push(...forProgram);
    // From now on the master tells when nobody is on the terminal any more.
    pty.releaseSlave();
  };
  const keySource = program?.place === "on"
    ? { listening: true, hasHeld: false, read: terminal.readFrom, beforeWait: () => {} }
    : new IdleKeys({ pty, terminal, turn });
  const end = await pump({
    terminal,
    onShown: screen.watch,
    master: pty.master,
    signals,
    endingSignals,
    keySource,
    turn,
    onResize: () => changeSize({ pty, notify }, size()),
    onAbandoned: () => {
      if (pty.isTaken || program?.status !== undefined) return false;
      holdAgain(pty, settings);
      return true;
    },
    isOver: () => program?.place === "on" && program.status !== undefined,
    watches: program === undefined ? [] : [{ fd: program.pidfd, onReadable: onEnd }],
  });
  screen.reset();
  rawMode[Symbol.dispose]();
  if (!pty.isTaken) return finish(end, program);
  writeStderr(`reptyr: another reptyr has taken ${pty.name} away from here`);
  // Ours would be one open of it that its new owner cannot close.
  pty.releaseSlave();
  return program?.place === "beside"
    ? await outlive(program, signals, endingSignals)
    : program?.status ?? 0;
}

type EndingSignal = Parameters<typeof ENDING_SIGNALS.get>[0];

const COMMAND_DECIDES: readonly EndingSignal[] = ["SIGINT", "SIGQUIT"];

function finish(end: PumpEnd<EndingSignal>, program: Program | undefined): number {
  switch (end.reason) {
    case "over":
    case "pty abandoned":
      return program?.status ?? 0;
    case "terminal gone":
    case "screen gone":
      program?.tell("SIGHUP");
      return ENDING_SIGNALS.get("SIGHUP")!;
    case "signal": {
      const { signal } = end;
      program?.tell(signal);
      if (signal !== "SIGINT") writeStderr(`reptyr: ended by ${signal}`);
      return ENDING_SIGNALS.get(signal)!;
    }
  }
}

/** Stay until COMMAND has ended, which is still in the foreground of the user's terminal; its exit status. */
async function outlive(
  program: Program,
  signals: SignalInbox,
  endingSignals: readonly EndingSignal[],
): Promise<number> {
  const poll = new PollSet(2);
  poll.watch(0, program.pidfd, POLLIN);
  poll.watch(1, signals.descriptor, POLLIN);
  while (program.status === undefined) {
    await pollOnOtherThread(poll);
    signals.settle();
    const signal = signals.takeAny(endingSignals);
    if (signal !== undefined) return finish({ reason: "signal", signal }, program);
    if (poll.reported(0) !== 0) program.reap();
  }
  return program.status;
}

/** COMMAND, our child. */
class Program {
  #status: number | undefined;

  private constructor(
    readonly pid: number,
    readonly pidfd: number,
    readonly place: NewTerminalOptions["place"],
  ) {}

  static start(
    { command, place }: NewTerminalOptions,
    pty: Pty,
    cleanup: DisposableStack,
  ): Program {
    const env = { ...Deno.env.toObject(), [NAME_VARIABLE]: pty.name };
    // By name: glibc opens it after setsid(2), and so it becomes the controlling terminal.
    const onIt = {
      newSession: true,
      files: [{ fd: 0, path: pty.name, flags: O_RDWR }, { fd: 1, dup: 0 }, { fd: 2, dup: 0 }],
    };
    const ignored = inheritedIgnored();
    const pid = run(command, { env, ignored, ...place === "on" ? onIt : {} });
    const pidfd = orThrow(pidfdOpen(pid), `pidfd_open(${pid})`);
    cleanup.defer(() => close(pidfd));
    verbose(`Started process ${pid}: ${command.join(" ")}`);
    return new Program(pid, pidfd, place);
  }

  /** As a shell's `$?`; undefined until {@linkcode reap} has found it ended. */
  get status(): number | undefined {
    return this.#status;
  }

  reap(): void {
    const status = statusNow(this.pid, this.pid);
    if (status?.kind === "exited") this.#status = status.status;
    if (status?.kind === "signaled") this.#status = 128 + status.signal;
  }

  /** We go. Whoever is on the new terminal is told of that by its hang-up. */
  tell(signal: Deno.Signal): void {
    if (this.place === "beside" && this.#status === undefined) signalOwnChild(this.pid, signal);
  }
}

/** spawn() with the answer that shells give when it fails. */
function run(command: readonly string[], options: Parameters<typeof spawn>[1]): number {
  try {
    return spawn(command, options);
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause;
    throw CommandError.notRun(command[0]!, cause);
  }
}

/** Others open the terminal by its name: in a sandbox /dev/pts may be another one than that behind /dev/ptmx. */
function requireName({ name }: Pty): void {
  try {
    close(open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause;
    throw new RefusedError(
      `Cannot use the new terminal by its name: ${cause.message}`,
      ["Is /dev/pts the file system that /dev/ptmx belongs to? See pts(4)"],
      { cause },
    );
  }
}

/** On stdout, for scripts to read. */
function printName({ name }: Pty): void {
  const line = new TextEncoder().encode(`Opened a new pty: ${name}\n`);
  for (let done = 0; done < line.length;) done += Deno.stdout.writeSync(line.subarray(done));
}

/**
 * A program has hung the terminal up, as login(1) does by vhangup(2): nobody has it open any more, we neither, and it has
 * its first settings again, tty_ldisc_hangup(). For the next program it is as for the first.
 */
function holdAgain(pty: Pty, settings: Termios): void {
  pty.releaseSlave();
  pty.holdSlave();
  setTermios(pty.slave, settings);
}
