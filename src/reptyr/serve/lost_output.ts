/** What becomes of the job's output, and of the job, when standard output does not take what we write. Pure. */
import { SIGPIPE } from "../../ffi/constants.ts";
import { describeErrno, ERRNO } from "../../ffi/errno.ts";

export interface LostOutput {
  /** The exit status for ours. */
  readonly status: number;
  /** What to tell the user. */
  readonly message: string | undefined;
}

/**
 * How to end. `errno` of the write that failed; undefined when poll(2) has told of the end before anything was written.
 * A pipe's reader may have enough whenever it likes, `| head -1`: the status is that of a program that SIGPIPE ends.
 */
export function lostOutput(errno: number | undefined): LostOutput {
  if (errno === undefined || errno === ERRNO.EPIPE) {
    return {
      status: 128 + SIGPIPE,
      message: undefined,
    };
  }
  return { status: 1, message: `cannot write standard output: ${describe(errno)}` };
}

/**
 * Output that a full disk, a quota or a broken device does not take. Losing it is better than losing the job: a disk has
 * room again one day. Each piece is tried, so what comes then is written.
 */
export class DroppedOutput {
  #bytes = 0;

  /** `tell` gets each line for the user. */
  constructor(readonly tell: (line: string) => void) {}

  /** `count` bytes were not written, for the reason `errno`. The user hears of the first ones. */
  drop(errno: number, count: number): void {
    if (this.#bytes === 0) {
      const problem = `cannot write standard output: ${describe(errno)}`;
      this.tell(`${problem}; output is dropped until it takes bytes again`);
    }
    this.#bytes += count;
  }

  /** Nothing comes any more. */
  end(): void {
    if (this.#bytes === 0) return;
    const many = this.#bytes === 1 ? "1 byte of output was" : `${this.#bytes} bytes of output were`;
    this.tell(`${many} dropped`);
  }
}

function describe(errno: number): string {
  const { reason, code } = describeErrno(errno);
  return `${reason} (${code})`;
}
