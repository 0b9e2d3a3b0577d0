/**
 * A move in the course of which the old terminal hangs up: strace(1) stops reptyr right after one of its calls, the
 * terminal's master is closed, and reptyr goes on.
 */
import { assert, assertEquals } from "@std/assert";
import { O_CLOEXEC, O_NOCTTY, O_RDWR, SIGCONT } from "../../src/ffi/constants.ts";
import { close, open } from "../../src/ffi/descriptor.ts";
import { isLive, readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { childrenOf, descendantsOf, ProcessHandle } from "./child.ts";
import { type Fault, injecting } from "./fault_injection.ts";
import { LogFile } from "./fault_trial.ts";
import { assertMessage, linesOf, settingsOf, startOn } from "./input_run.ts";
import { startOnTerminal, statOf, untilForeground } from "./on_terminal.ts";
import { type Terminal, waitUntil } from "./terminal.ts";
import { untilBlocked } from "./victim.ts";

/**
 * What hangs up: its session's leader; the foreground job of a shell; that, with another process in its group, and moved
 * alone; a session leader that has no descriptor on its terminal.
 */
export const HANGUP_SHAPES = [
  "session leader",
  "foreground job",
  "alone",
  "no descriptor",
] as const;

export type HangupShape = (typeof HANGUP_SHAPES)[number];

/** The same on x86_64 and aarch64. */
const SIGUSR1 = 10;

/**
 * Ignores SIGHUP, and reads nothing before SIGUSR1: what it hears of a hang-up in the middle is no read that fails. argv: `child`
 * for one more process in its group, `bare` to have its standard descriptors elsewhere.
 */
const VICTIM = `
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
child = os.fork() if "child" in sys.argv else -1
if child == 0:
    while True: signal.pause()
print("ready", flush=True)
if "bare" in sys.argv:
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2): os.dup2(null, fd)
    os.close(null)
signal.sigwait([signal.SIGUSR1])
for line in sys.stdin: print("got", line, end="", flush=True)
if child > 0: os.kill(child, signal.SIGKILL)
`;

const WORDS: Readonly<Record<HangupShape, readonly string[]>> = {
  "session leader": [],
  "foreground job": [],
  "alone": ["child"],
  "no descriptor": ["bare"],
};

const OPTIONS: Readonly<Record<HangupShape, readonly string[]>> = {
  "session leader": [],
  "foreground job": [],
  "alone": ["-1"],
  "no descriptor": ["--force-stdio"],
};

interface Subject extends Disposable {
  readonly old: Terminal;
  readonly pids: readonly number[];
  readonly handle: ProcessHandle;
}

function start(shape: HangupShape): Subject {
  using stack = new DisposableStack();
  const isJob = isShells(shape);
  const argv = ["python3", "-S", "-E", "-c", VICTIM, ...WORDS[shape]];
  const old = stack.use(startOnTerminal(isJob ? "foreground job" : "session leader", argv));
  old.expect("ready\r\n");
  // As long as its slave is open the number of a terminal is not given away: no other one is taken for it.
  const slave = open(old.device, O_RDWR | O_NOCTTY | O_CLOEXEC);
  stack.defer(() => close(slave));
  const pid = isJob ? childrenOf(old.pid)[0]! : old.pid;
  if (isJob) untilForeground(pid);
  const pids = [pid, ...descendantsOf(pid)];
  const handles = pids.map((pid) => {
    untilBlocked(pid);
    const handle = stack.use(new ProcessHandle(pid));
    stack.defer(() => handle.end());
    return handle;
  });
  const owned = stack.move();
  return { old, pids, handle: handles[0]!, [Symbol.dispose]: () => owned.dispose() };
}

function isShells(shape: HangupShape): boolean {
  return shape === "foreground job" || shape === "alone";
}

export interface HangupTrial {
  readonly outcome: "not struck" | "moved" | "refused";
  /** The first line of what was said by a reptyr that refused. */
  readonly message?: string;
}

/**
 * Hang the old terminal up right after the call `number` of those that reptyr makes by the name of `call`. The target must be
 * moved all the same, or refused in words that name the dead terminal; in both cases it lives, and answers on a new
 * terminal. Throws when it does not.
 */
export function hungUpAfter(shape: HangupShape, call: string, number: number): HangupTrial {
  using log = new LogFile();
  using subject = start(shape);
  const { old, pids } = subject;
  const [target] = pids;
  const oldTty = statOf(target!).ttyNr;
  const fault: Fault = { side: "own", call, error: "SIGSTOP", first: number, last: number };
  const { argv } = injecting(fault, log.path);
  const args = [...OPTIONS[shape], target!];
  const { terminal, settings } = startOn(args, { prefix: argv.slice(0, -1) });
  using _ = terminal;
  const isMoved = () => {
    const { ttyNr, session, tpgid } = readStat(target!) ?? {};
    return ttyNr !== 0 && ttyNr !== oldTty && session === target && tpgid === target &&
      pids.every((pid) => (readStatus(pid)?.tracerPid ?? 0) === 0);
  };
  const what = `${shape}, ${call} ${number}`;
  const isStruck = () => Deno.readTextFileSync(log.path).includes("stopped by SIGSTOP");
  waitUntil(
    `${what}: the hang-up, or the end of the move`,
    () => isStruck() || isMoved() || terminal.child.status !== undefined,
  );
  if (!isStruck()) {
    assert(isMoved(), `${what}: ${terminal.describe()}`);
    return { outcome: "not struck" };
  }
  old.hangUp();
  // What it does to its jobs then is done.
  if (isShells(shape)) old.expectExit();
  const [reptyr] = childrenOf(terminal.pid);
  using handle = new ProcessHandle(reptyr!);
  handle.signal(SIGCONT);
  waitUntil(`${what}: the end of the move`, () => isMoved() || terminal.child.status !== undefined);
  const { status } = terminal.child;
  if (status === undefined) {
    assertAnswers(subject, terminal, what);
    return { outcome: "moved" };
  }
  assertEquals(status, { kind: "exited", status: 1 }, `${what}: ${terminal.describe()}`);
  terminal.expectEof();
  const lines = linesOf(terminal.output).filter((line) => !line.startsWith("reptyr: warning: "));
  assertMessage(lines);
  assert(/terminal.*hung up|hung up.*terminal/.test(lines[0]!), `${what}: ${lines.join("\n")}`);
  assert(!/Input\/output error|ioctl/.test(lines.join()), `${what}: ${lines.join("\n")}`);
  assertEquals(settingsOf(terminal), settings, "The user's terminal is not as it was");
  const again = startOn(args);
  using second = again.terminal;
  waitUntil(`${what}: the second move`, () => {
    assert(second.child.status === undefined, second.describe());
    return isMoved();
  });
  assertAnswers(subject, second, what);
  return { outcome: "refused", message: lines[0]! };
}

function assertAnswers({ pids, handle }: Subject, moved: Terminal, what: string): void {
  for (const pid of pids) {
    const stat = readStat(pid);
    assert(stat !== undefined && isLive(stat) && stat.state !== "T", `${what}: process ${pid}`);
  }
  handle.signal(SIGUSR1);
  moved.line("words");
  moved.expect("got words\r\n");
  moved.press("^D");
  assertEquals(moved.expectExit(), { kind: "exited", status: 0 }, `${what}: ${moved.describe()}`);
}
