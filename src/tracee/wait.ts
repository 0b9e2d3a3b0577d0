/** Waiting for a tracee, always with an end: rule 1 of docs/architecture.md. */
import { TraceeDiedError } from "../errors.ts";
import { __WALL, WNOHANG } from "../ffi/constants.ts";
import { libc } from "../ffi/libc.ts";
import { raw } from "../ffi/raw.ts";
import { usleep } from "../ffi/process.ts";
import { decodeWaitStatus, type WaitStatus } from "./wait_status.ts";

/** A moment on the monotonic clock after which waiting is given up. */
export class Deadline {
  readonly #end: number;

  constructor(readonly seconds: number) {
    this.#end = performance.now() + seconds * 1000;
  }

  get passed(): boolean {
    return performance.now() >= this.#end;
  }
}

/** A tracee that can stop at all does so within microseconds: this often without a pause. */
const BUSY_TRIES = 100;
const FIRST_PAUSE_US = 20;
const LONGEST_PAUSE_US = 2000;

/**
 * The next change of state of thread `tid`, synchronously; `undefined` when none came before the
 * deadline. A blocking waitpid could not be bounded: JavaScript's timers do not run during it.
 */
export function waitForStatus(tid: number, deadline: Deadline): WaitStatus | undefined {
  const status = new Int32Array(1);
  const bytes = new Uint8Array(status.buffer);
  let pause = FIRST_PAUSE_US;
  for (let tries = 0;; tries++) {
    const waited = raw(libc().waitpid(tid, bytes, WNOHANG | __WALL));
    if (waited === tid) return decodeWaitStatus(status[0]!);
    if (waited < 0) throw new TraceeDiedError(tid);
    if (tries < BUSY_TRIES) continue;
    if (deadline.passed) return undefined;
    usleep(pause);
    pause = Math.min(pause * 2, LONGEST_PAUSE_US);
  }
}
