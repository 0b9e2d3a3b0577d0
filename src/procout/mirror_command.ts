/** `procout -- COMMAND`: run a command, and mirror what it writes from its first instruction on. */
import type { RefusedError } from "../errors.ts";
import { SIGHUP, SIGTERM } from "../ffi/constants.ts";
import { kill } from "../ffi/process.ts";
import { reserveThreads } from "../ffi/threads.ts";
import { writeStderr } from "../log.ts";
import { inheritedIgnored } from "../proc/inherited_signals.ts";
import { SignalInbox } from "../tty/signal_inbox.ts";
import { unreadWriters } from "./broken_pipe.ts";
import type { ChosenEngine } from "./choose_engine.ts";
import { startPaused } from "./command.ts";
import type { SinkOutputs } from "./engine.ts";
import type { MirrorRequest } from "./mod.ts";
import { OutputSink } from "./output_sink.ts";
import { Session, WATCH_THREADS } from "./session.ts";
import { TargetTerminal } from "./target_terminal.ts";

/** Exit status for a mirror that could not be written to its end. */
const EXIT_UNWRITTEN = 1;

export interface CommandRequest {
  readonly argv: readonly string[];
  /** Whether the outputs that the command gets are watched, whichever process has them. */
  readonly hasGiven: boolean;
}

/** Runs the command to its end; its exit status. Throws CommandError when it cannot be run. */
export async function mirrorCommand(
  request: MirrorRequest,
  chosen: ChosenEngine,
  { argv, hasGiven }: CommandRequest,
): Promise<number> {
  const { choice, follow, output } = request;
  using outputSink = output === undefined ? new OutputSink() : undefined;
  // A writer whose reader has gone away hears so, as it would without us; all others go on.
  const onUnread = outputSink && unreadWriters([outputSink.stdout, outputSink.stderr]);
  // The caller of procout waits for the command: a mirror that fails is no reason to end before it.
  let isMirrored = true;
  const onFailure = ({ message }: RefusedError) => {
    isMirrored = false;
    writeStderr(`procout: ${message}; the command goes on without a mirror`);
  };
  // A file that cannot be written is to be known before there is a child.
  const terminal = new TargetTerminal([Deno.pid]);
  using session = new Session(request, terminal, { onUnread, onFailure });
  // The command may be the last process that this user can have: all threads start before it.
  SignalInbox.startThread(inheritedIgnored());
  reserveThreads(WATCH_THREADS);
  using child = await startPaused(argv, outputSink?.files ?? []);
  const { pid } = child;
  // The keyboard's signals reach the command by themselves; signals to this program alone are passed on. The command
  // stops with us at ^Z. The engine ptrace has nothing to do first: it has shown what the command wrote before.
  const control = session.listen({
    SIGINT: () => {},
    SIGQUIT: () => {},
    SIGTERM: () => kill(pid, SIGTERM),
    SIGHUP: () => kill(pid, SIGHUP),
    SIGWINCH: () => outputSink?.resize(),
    ...chosen.isPtrace ? {} : { SIGTSTP: "suspend" },
  }, { isOver: () => false, ...outputSink && { drain: outputSink } });
  {
    const given = hasGiven ? givenOutputs(follow ? undefined : pid, outputSink) : undefined;
    const watch = { pids: [pid], follow: follow || hasGiven, choice, outputSink: given };
    using engine = chosen.make(watch, session.mirror, control);
    session.name(engine, chosen.why);
    engine.attachPaused(pid);
    await child.letGo();
    await engine.run();
  }
  const status = session.finish();
  return isMirrored ? status ?? session.mirror.statuses.get(pid) ?? 0 : EXIT_UNWRITTEN;
}

/** What the command was given for its outputs; with --output these are our own. */
function givenOutputs(command: number | undefined, sink: OutputSink | undefined): SinkOutputs {
  const { stdout, stderr } = sink ?? { stdout: 1, stderr: 2 };
  return { command, stdout, stderr };
}
