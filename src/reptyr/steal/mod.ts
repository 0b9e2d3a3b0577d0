/** `reptyr -T PID`: takes over the whole terminal that a process runs on, and serves it until all have left it. */
import { UserTerminal } from "../../tty/user_terminal.ts";
import { FrontEnd } from "../frontend/front_end.ts";
import { OwnSignals } from "../frontend/own_signals.ts";
import { Patience } from "../frontend/patience.ts";
import type { MoveOptions } from "../inspect/move_options.ts";
import { FoundTerminal } from "./found_terminal.ts";
import { StolenService } from "./stolen_service.ts";
import { takeTerminal } from "./taken_terminal.ts";

/**
 * Take the terminal of process `pid`, with all that runs on it, to the one of standard input and output. Resolves to the
 * exit status for ours: that of the process if it has ended, else 0, or 128 + N when signal N ended us. Throws when it
 * cannot be taken, with all as it was.
 */
export async function steal({ pid, timeoutSeconds, redraw }: MoveOptions): Promise<number> {
  using cleanup = new DisposableStack();
  const found = cleanup.use(FoundTerminal.of(pid));
  // Before the first stop, as in move().
  const signals = new OwnSignals();
  const front = cleanup.use(new FrontEnd(new UserTerminal(), signals.inbox));
  const patience = new Patience(front, signals);

  const taken = await takeTerminal(found, { timeoutSeconds, patience }, cleanup);
  const service = cleanup.use(new StolenService(found, taken, front, redraw));
  service.paint();
  return await front.show(service);
}
