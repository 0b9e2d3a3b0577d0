/** `reptyr PID`: moves a process with its job to the user's terminal, and serves them there until they end. */
import { verbose } from "../log.ts";
import { Pty } from "../tty/pty.ts";
import { UserTerminal } from "../tty/user_terminal.ts";
import { FrontEnd } from "./frontend/front_end.ts";
import { OwnSignals } from "./frontend/own_signals.ts";
import { Patience } from "./frontend/patience.ts";
import { InspectedTarget } from "./inspect/inspected_target.ts";
import type { MoveOptions } from "./inspect/move_options.ts";
import { moveJob } from "./move/move_job.ts";
import { requireAnswers } from "./move/served_stdio.ts";
import { releaseHeld } from "./serve/hold.ts";
import { JobService } from "./serve/job_service.ts";

/**
 * Move process `pid` to the terminal of standard input and output, or to one that reads and writes them where they are
 * something else. Resolves to the exit status for ours: that of the process, or 128 + N when signal N ended us. Throws
 * when it cannot be moved, with all as it was.
 */
export async function move(options: MoveOptions): Promise<number> {
  using target = InspectedTarget.open(options);
  if (options.forceStdio) await requireAnswers(target.facts, options.timeoutSeconds);
  target.warn();
  using pty = Pty.open();
  verbose(`Opened a new pty: ${pty.name}`);
  // From before the first stop a signal waits until the target is whole, and ^C is a key; to the end of the program, for a
  // second SIGHUP of a closing terminal would end it before its exit status is out.
  const signals = new OwnSignals();
  using front = new FrontEnd(new UserTerminal(), signals.inbox);
  const patience = new Patience(front, signals);
  const attachment = await patience.repeat(() => {
    const facts = target.look();
    releaseHeld([facts.pid, ...facts.members.map(({ pid }) => pid)]);
    return moveJob(facts, { pty, options, patience, front });
  });
  pty.releaseSlave();
  using service = new JobService({ target: target.identity, attachment, pty }, front, options);
  service.paint();
  return await front.show(service);
}
