/** How to end when nobody takes what we write any more. Pure. */
import { SIGPIPE } from "../ffi/constants.ts";
import { describeErrno, ERRNO } from "../ffi/errno.ts";

export interface LostOutput {
  /** The exit status for ours. */
  readonly status: number;
  /** What to tell the user. */
  readonly message: string | undefined;
}

/**
 * `errno` of the write that failed; undefined when poll(2) has told of the end before anything was written. A pipe's
 * reader may have enough whenever it likes, `| head -1`: the status is that of a program that SIGPIPE ends.
 */
export function lostOutput(errno: number | undefined): LostOutput {
  if (errno === undefined || errno === ERRNO.EPIPE) {
    return {
      status: 128 + SIGPIPE,
      message: undefined,
    };
  }
  const { reason, code } = describeErrno(errno);
  return { status: 1, message: `cannot write to standard output: ${reason} (${code})` };
}
