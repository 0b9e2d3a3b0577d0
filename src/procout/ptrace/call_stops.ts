/**
 * What is done before and after each system call of a thread: at its entry, whether the call matters, and which output
 * it is about; at its exit, the bytes that it has moved. Nothing but bytes is taken from the thread.
 */
import { ASK_BEFORE_STOP } from "../../arch/mod.ts";
import { RefusedError } from "../../errors.ts";
import { PTRACE_SYSCALL_INFO_ENTRY, PTRACE_SYSCALL_INFO_EXIT } from "../../ffi/constants.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { interrupt } from "../../tracee/ptrace.ts";
import { SyscallStop } from "../../tracee/syscall_stop.ts";
import { type Call, callTable } from "../calls.ts";
import type { Receiver, WatchRequest } from "../engine.ts";
import { FileTable } from "../file_table.ts";
import { directionOf, isPeek, readSocketcall } from "./entered_call.ts";
import { Payload } from "./payload.ts";
import { entersAgain, leavesBroken, unlessDead } from "./restart.ts";
import type { Process, Thread } from "./table.ts";

export class CallStops {
  /** How many threads are in the midst of a call that is watched. */
  underWay = 0;
  /** Why nothing can be watched at all. */
  failure: RefusedError | undefined;
  readonly #request: WatchRequest;
  readonly #receiver: Receiver;
  readonly #stop = new SyscallStop();
  readonly #payload: Payload;
  /** Threads in a call that is made again, and has to end at a time. */
  readonly #limited = new Set<Thread>();

  constructor(request: WatchRequest, receiver: Receiver) {
    this.#request = request;
    this.#receiver = receiver;
    this.#payload = new Payload(
      (thread, call, bytes) => {
        const { fd, stream, tid, process: { pid } } = thread;
        const kind = directionOf(call);
        receiver.receive({ kind, time: now(), pid, tid, fd, stream, bytes });
      },
      (thread, call, count, why) => {
        const { fd, stream, tid, process: { pid } } = thread;
        const event = { kind: "lost", time: now(), pid, tid, fd, stream, count } as const;
        receiver.receive({ ...event, why: `${call.name}: ${why}` });
      },
    );
  }

  /** The soonest time at which a call that was made again has to end; undefined when there is none. */
  get soonestEnd(): number | undefined {
    let soonest: number | undefined;
    for (const { limit } of this.#limited) {
      if (limit === undefined) continue;
      if (soonest === undefined || limit.end < soonest) soonest = limit.end;
    }
    return soonest;
  }

  /** Break the calls that were made again, and whose time is over: see `leavesBroken`. */
  endLimited(): void {
    if (this.#limited.size === 0) return;
    const now = performance.now();
    for (const thread of this.#limited) {
      if (thread.limit === undefined || thread.limit.end > now) continue;
      this.#limited.delete(thread);
      unlessDead(() => interrupt(thread.tid));
    }
  }

  /** PTRACE_SYSCALL_INFO_*, of a thread in any kind of stop. */
  ask(tid: number): number {
    const op = this.#stop.read(tid);
    if (op === -ERRNO.EIO) {
      this.failure ??= new RefusedError(
        "Cannot watch: this kernel does not tell about system calls (PTRACE_GET_SYSCALL_INFO)",
        ["Linux does since version 5.3"],
      );
    }
    return op;
  }

  /** A thread is in a syscall-stop. Whether it may be let go here: a call has ended that no interrupt has broken. */
  handle(thread: Thread): boolean {
    switch (this.ask(thread.tid)) {
      case PTRACE_SYSCALL_INFO_ENTRY:
        // Also when detaching: an interrupt may be pending, would make the call return EINTR, and nobody put it right.
        this.leave(thread);
        if (ASK_BEFORE_STOP) {
          thread.firstArgument = this.#stop.firstArgument;
          thread.broken = undefined;
        }
        this.#entry(thread);
        thread.since = performance.now();
        entersAgain(thread);
        if (thread.limit !== undefined) this.#limited.add(thread);
        return false;
      case PTRACE_SYSCALL_INFO_EXIT: {
        const { result } = this.#stop;
        if (thread.call !== undefined) this.#exit(thread, thread.call, result);
        this.leave(thread);
        if (result === -ERRNO.EINTR) leavesBroken(thread);
        thread.limit = undefined;
        return result >= 0;
      }
      default:
        return false;
    }
  }

  /** The thread is in no call any more. */
  leave(thread: Thread): void {
    if (thread.call !== undefined) this.underWay--;
    thread.call = undefined;
    this.#limited.delete(thread);
  }

  #entry(thread: Thread): void {
    const table = callTable(this.#stop.arch);
    let call = table?.calls[this.#stop.number];
    if (table === undefined || call === undefined) return;
    this.#stop.copyArguments(thread.args);
    thread.wordBytes = table.wordBytes;
    if (call.effect === "socketcall") call = readSocketcall(thread);
    if (call !== undefined && this.#matters(thread, call)) {
      thread.call = call;
      this.underWay++;
    }
  }

  /** Whether there is something to do when the call returns; notes then which output it is about. */
  #matters(thread: Thread, call: Call): boolean {
    if (call.effect === "unseen" && call.fd === undefined) return true;
    if (!("fd" in call)) return call.effect !== "socketcall";
    if (call.effect === "change") return true;
    if (call.fd === undefined) return false;
    thread.fd = thread.low(call.fd) | 0;
    if (directionOf(call) === "input") {
      thread.stream = 0;
      return this.#request.choice.stdin && thread.fd === 0 && !isPeek(thread, call);
    }
    const { process, tid, fd } = thread;
    const stream = process.files.streamOf(process.pid, tid, fd);
    if (stream < 0) return false;
    thread.stream = stream as 1 | 2;
    return true;
  }

  #exit(thread: Thread, call: Call, result: number): void {
    const { files } = thread.process;
    switch (call.effect) {
      // close(2): whatever error it returns, the descriptor is gone.
      case "change":
        return files.change(thread.low(call.fd) | 0);
      case "change range":
        return files.changeRange(thread.low(0), thread.low(1));
      case "unshare":
        thread.process.files = new FileTable(this.#request);
        return;
      case "unseen":
        if (result >= 0) this.#tellUnseen(thread.process, call);
        return;
      case "clone":
      case "socketcall":
        return;
      default:
        if (result > 0 && !this.#payload.deliver(thread, call, result)) {
          this.#tellUnseen(thread.process, call);
        }
    }
  }

  #tellUnseen({ pid, unseen }: Process, { name }: Call): void {
    if (unseen.has(name)) return;
    unseen.add(name);
    this.#receiver.receive({ kind: "unseen", time: now(), pid, call: name });
  }
}

/** Milliseconds since 1970. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}
