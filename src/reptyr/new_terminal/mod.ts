/**
 * `reptyr -l` and `reptyr -L`: a new terminal, served on the user's own, for programs that are told its name or are
 * started on it.
 */
import { UserTerminal } from "../../tty/user_terminal.ts";
import { FrontEnd } from "../frontend/front_end.ts";
import { startSignals, takeSignals } from "../frontend/own_signals.ts";
import { NamedPty } from "./named_pty.ts";
import { NewTerminalService } from "./new_service.ts";
import { type NewTerminalOptions, Program } from "./program.ts";

export type { NewTerminalOptions } from "./program.ts";

/**
 * Make a terminal, print its name, and serve it: until COMMAND has ended, and whatever else it brought to a terminal
 * beside it has left that; without COMMAND until a signal ends us. Resolves to the exit status for ours: that of COMMAND as
 * a shell has it, or 128 + N when signal N ended us. Throws CommandError when COMMAND cannot be run, with the user's
 * terminal untouched.
 */
export async function newTerminal(options: NewTerminalOptions): Promise<number> {
  using cleanup = new DisposableStack();
  startSignals();
  const terminal = new UserTerminal();
  const named = cleanup.use(NamedPty.open(terminal));
  named.print();
  const program = Program.start(options, named.pty);
  if (program !== undefined) cleanup.use(program);
  // Not before: COMMAND inherits what is ignored, and where a listener has come in its place execve(2) makes it default.
  const front = cleanup.use(new FrontEnd(terminal, takeSignals()));
  return await front.show(cleanup.use(new NewTerminalService(named, program, front)));
}
