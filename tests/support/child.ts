/** Processes that a test started: waited for by their PID, ended by a descriptor that names them. */
import { close, PollSet } from "../../src/ffi/descriptor.ts";
import { POLLIN, SIGKILL, WNOHANG } from "../../src/ffi/constants.ts";
import { ERRNO } from "../../src/ffi/errno.ts";
import { libc } from "../../src/ffi/libc.ts";
import { orThrow, raw } from "../../src/ffi/raw.ts";
import { pidfdOpen, pidfdSendSignal } from "../../src/ffi/process.ts";
import { decodeWaitStatus, type WaitStatus } from "../../src/tracee/wait_status.ts";

// The library stays open to the end of the program. Opened within a test, Deno's sanitizer would take
// it for a leak of that test.
libc();

/** The children of all threads of `pid`: proc_pid_tid_children(5). None when it is gone. */
export function childrenOf(pid: number): number[] {
  const tids = orNone(() => Array.from(Deno.readDirSync(`/proc/${pid}/task`)));
  return tids.flatMap(({ name }) =>
    orNone(() =>
      Deno.readTextFileSync(`/proc/${pid}/task/${name}/children`).trim().split(" ")
        .filter((word) => word !== "").map(Number)
    )
  );
}

/** None where a process or thread is gone. */
function orNone<T>(read: () => T[]): T[] {
  try {
    return read();
  } catch {
    return [];
  }
}

/** Children, their children, and so on. */
export function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}

/** A running process by pidfd_open(2): the number cannot come to mean another process. */
export class ProcessHandle implements Disposable {
  readonly #pidfd: number;

  constructor(readonly pid: number) {
    this.#pidfd = orThrow(pidfdOpen(pid), `pidfd_open(${pid})`);
  }

  /** Readable once the process has ended. */
  get descriptor(): number {
    return this.#pidfd;
  }

  get ended(): boolean {
    return this.waitForEnd(0);
  }

  /** Whether it ended within `timeoutMs`; nothing is reaped. */
  waitForEnd(timeoutMs: number): boolean {
    const set = new PollSet(1);
    set.watch(0, this.#pidfd, POLLIN);
    return set.poll(timeoutMs) === 1;
  }

  signal(signal: number): void {
    orThrow(pidfdSendSignal(this.#pidfd, signal), `pidfd_send_signal(${this.pid}, ${signal})`);
  }

  /** SIGKILL; one that is gone already needs none. */
  end(): void {
    pidfdSendSignal(this.#pidfd, SIGKILL);
  }

  [Symbol.dispose](): void {
    close(this.#pidfd);
  }
}

/** This program can be parent and tracer at once; as tracer it may have waited for the end before. */
export type ChildStatus = WaitStatus | { readonly kind: "reaped by its tracer" };

/** A child of this program: it has to be reaped, once. */
export class Child implements Disposable {
  readonly handle: ProcessHandle;
  #status: ChildStatus | undefined;

  constructor(readonly pid: number) {
    this.handle = new ProcessHandle(pid);
  }

  /** How it ended, `undefined` while it has not. Reaps it. */
  get status(): ChildStatus | undefined {
    return this.#status ??= this.#wait();
  }

  #wait(): ChildStatus | undefined {
    const status = new Int32Array(1);
    const bytes = new Uint8Array(status.buffer);
    const waited = raw(
      libc().waitpid(this.pid, bytes, WNOHANG),
      "wait4",
      this.pid,
      bytes,
      WNOHANG,
    );
    if (waited === -ERRNO.ECHILD) return { kind: "reaped by its tracer" };
    return orThrow(waited, `waitpid(${this.pid})`) === 0 ? undefined : decodeWaitStatus(status[0]!);
  }

  /** End it, and all that it started, and reap it. What is not in its family tree is left alone. */
  [Symbol.dispose](): void {
    using family = new DisposableStack();
    // Not yet reaped, it and its descendants keep their numbers.
    const descendants = this.status === undefined ? descendantsOf(this.pid) : [];
    const handles = descendants.flatMap((pid) => {
      try {
        return [family.use(new ProcessHandle(pid))];
      } catch {
        return []; // it ended meanwhile
      }
    });
    family.use(this.handle);
    for (const handle of [this.handle, ...handles]) handle.end();
    for (const handle of [this.handle, ...handles]) {
      if (!handle.waitForEnd(20_000)) throw new Error(`Process ${handle.pid} survives SIGKILL`);
    }
    void this.status;
  }
}
