/** The keys of a moved job: from the user's keyboard or from a text on standard input, through job control. */
import { describeErrno, ERRNO } from "../../ffi/errno.ts";
import { writeStderr } from "../../log.ts";
import type { KeySource } from "../../tty/pump.ts";
import { TextInput } from "../../tty/text_input.ts";
import type { FrontEnd } from "../frontend/front_end.ts";
import type { TtyForeground } from "../frontend/tty_foreground.ts";
import { JobControl } from "./job_control.ts";
import type { MovedJob } from "./moved_job.ts";

/** What it opens is disposed of with `cleanup`. */
export function jobKeys(
  { pty, attachment: job }: MovedJob,
  front: FrontEnd,
  turn: TtyForeground,
  cleanup: DisposableStack,
): KeySource {
  const { terminal } = front;
  const { keyboardIsTerminal, readFrom } = terminal;
  const source = keyboardIsTerminal
    ? { listening: true, hasHeld: false, read: readFrom, beforeWait: () => {} }
    : cleanup.use(new TextInput({ pty, readFrom, wake: front.wake, onError: tellUnreadable }));
  return new JobControl({ source, pty, terminal, turn, job });
}

function tellUnreadable(errno: number): void {
  // Open for writing only: nohup(1) gives its command such an input, to say that there is none.
  if (errno === ERRNO.EBADF) return;
  const { reason, code } = describeErrno(errno);
  writeStderr(`reptyr: cannot read standard input, as if it ended here: ${reason} (${code})`);
}
