/**
 * Threads of this program, for calls that wait while the event loop goes on. The runtime aborts the whole program when it
 * cannot start one, at the user's RLIMIT_NPROC or at the pids.max of a cgroup. So the threads that a command needs are
 * started before it touches anything: docs/kernel-notes.md#threads-of-the-runtime.
 */
import { RefusedError } from "../errors.ts";
import { POLLIN } from "./constants.ts";
import { pipe, PollSet, read, write } from "./descriptor.ts";
import { mayStartProcess } from "./spawn.ts";

const parked: ParkedThread[] = [];

/** Starts `count` threads for {@linkcode onOtherThread}, to the end of the program. Throws RefusedError. */
export function reserveThreads(count: number): void {
  for (let index = 0; index < count; index++) {
    requireThread();
    parked.push(new ParkedThread());
  }
}

/** Throws RefusedError where the kernel starts no more thread for this user: the runtime would abort the program. */
export function requireThread(): void {
  if (mayStartProcess()) return;
  throw new RefusedError(
    "Cannot start a thread: the user has as many processes and threads as RLIMIT_NPROC allows, or a cgroup (pids.max)",
    ["End something, or raise the limit: ulimit -u NUMBER"],
  );
}

/** Make a nonblocking `call` on a reserved thread; where none is free the runtime has to find another one. */
export async function onOtherThread<T>(call: () => Promise<T>): Promise<T> {
  const thread = parked.pop();
  if (thread === undefined) return await call();
  await thread.leave();
  try {
    return await call();
  } finally {
    thread.park();
    parked.push(thread);
  }
}

/** poll(2) without end on a reserved thread: until one of `set` is ready. */
export async function pollOnOtherThread(set: PollSet): Promise<void> {
  await onOtherThread(() => set.pollAsync(-1));
}

/** A thread of the runtime's, kept busy. It is free for no longer than the event loop takes from one call to the next. */
class ParkedThread {
  readonly #pipe = pipe();
  readonly #set = new PollSet(1);
  #isLeaving = false;
  #parked: Promise<void>;

  constructor() {
    this.#parked = this.#stay();
  }

  park(): void {
    this.#isLeaving = false;
    this.#parked = this.#stay();
  }

  /** Settles when the runtime has the thread back. */
  async leave(): Promise<void> {
    this.#isLeaving = true;
    write(this.#pipe.writeEnd, Uint8Array.of(1));
    await this.#parked;
    read(this.#pipe.readEnd, new Uint8Array(1));
  }

  async #stay(): Promise<void> {
    do {
      this.#set.watch(0, this.#pipe.readEnd, POLLIN);
      // A signal may have broken it, whose handler ran on that thread.
      await this.#set.pollAsync(-1);
    } while (!this.#isLeaving);
  }
}
