/** The command under the engine bpf: a child of ours, whose wait status nobody else takes. */
import { usleep } from "../../ffi/process.ts";
import { lastStatus, waitNow } from "../../ffi/wait_any.ts";
import { Deadline } from "../../tracee/wait.ts";
import type { WaitStatus } from "../../tracee/wait_status.ts";

/** A child that has told of its end has only to become a zombie. */
const REAP_SECONDS = 10;
const REAP_PAUSE_US = 100;

export class Child {
  /** Where it was taken already: a thread that is held is traced, and the tracer is told of its end. */
  #status: number | undefined;

  constructor(readonly pid: number) {}

  /** Thread `tid`, which was held, has ended. */
  noteEnd(tid: number, status: WaitStatus): void {
    if (tid !== this.pid) return;
    if (status.kind === "exited") this.#status = status.status << 8;
    else if (status.kind === "signaled") this.#status = status.signal;
  }

  /** Its wait status, when it is about to become a zombie; undefined when it does not become one. */
  reap(): number | undefined {
    const deadline = new Deadline(REAP_SECONDS);
    while (this.#status === undefined && !deadline.passed) {
      const waited = waitNow(this.pid);
      if (waited === this.pid) return lastStatus();
      if (waited < 0) break;
      usleep(REAP_PAUSE_US);
    }
    return this.#status;
  }
}
