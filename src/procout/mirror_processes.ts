/** `procout PID...`: mirror what running processes write. */
import { reserveThreads } from "../ffi/threads.ts";
import { writeStderr } from "../log.ts";
import type { ChosenEngine } from "./choose_engine.ts";
import { feedbackReaders, leftOutText, refuseReaders } from "./feedback.ts";
import type { MirrorRequest } from "./mod.ts";
import { Session, WATCH_THREADS } from "./session.ts";
import { TargetTerminal } from "./target_terminal.ts";

/** Watches `pids` until they have ended, the reader has gone or a signal comes; the exit status. */
export async function mirrorProcesses(
  request: MirrorRequest,
  chosen: ChosenEngine,
  pids: readonly number[],
): Promise<number> {
  const { follow, choice, redraw } = request;
  using session = new Session(request, new TargetTerminal(pids));
  const { mirror, terminal } = session;
  const excludedPids = feedbackReaders(session.descriptors, pids, follow);
  refuseReaders(pids, excludedPids);
  reserveThreads(WATCH_THREADS);
  const control = session.listen({
    SIGINT: "stop",
    SIGTERM: "stop",
    SIGHUP: "stop",
    SIGQUIT: "stop",
    SIGTSTP: "suspend",
  }, {
    isOver: () => mirror.isReaderGone || mirror.hasFailed,
    over: () => session.readerGone(),
  });
  {
    using engine = chosen.make({ pids, follow, choice, excludedPids }, mirror, control);
    session.name(engine, chosen.why);
    if (excludedPids.size > 0) writeStderr(`procout: ${leftOutText(excludedPids)}`);
    engine.attach();
    using _redrawing = redraw ? terminal.redraw() : undefined;
    await engine.run();
  }
  return session.finish() ?? 0;
}
