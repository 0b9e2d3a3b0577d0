/**
 * What is done at each stop of a thread. Two rules: every stop is answered at once by letting the thread go on as it
 * would have without us, and nothing but bytes is taken from it.
 */
import { ASK_BEFORE_STOP } from "../../arch/mod.ts";
import {
  KCMP_FILES,
  PTRACE_EVENT_CLONE,
  PTRACE_EVENT_EXEC,
  PTRACE_EVENT_FORK,
  PTRACE_EVENT_VFORK,
  PTRACE_SYSCALL_INFO_ENTRY,
  PTRACE_SYSCALL_INFO_EXIT,
  SIGSTOP,
  SIGTSTP,
  SIGTTIN,
  SIGTTOU,
  SIGWINCH,
} from "../../ffi/constants.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { close } from "../../ffi/descriptor.ts";
import { kcmp } from "../../ffi/process.ts";
import { RefusedError } from "../../errors.ts";
import { readStatus } from "../../proc/status.ts";
import { detach, getEventMessage, interrupt, setOptions } from "../../tracee/ptrace.ts";
import { listen, resumeToSyscall, SyscallStop } from "../../tracee/syscall_stop.ts";
import { decodeWaitStatus, isSyscallStop, type WaitStatus } from "../../tracee/wait_status.ts";
import { type Call, callTable } from "../calls.ts";
import type { Receiver, WatchRequest } from "../engine.ts";
import { FileTable } from "../file_table.ts";
import { directionOf, isPeek, makesThread, readSocketcall } from "./entered_call.ts";
import { Payload } from "./payload.ts";
import { entersAgain, leavesBroken, restartCall, unlessDead } from "./restart.ts";
import { Process, type Thread, ThreadTable } from "./table.ts";

/** Signals whose default action is job control's stop. */
const STOP_SIGNALS: readonly number[] = [SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU];

export class Stops {
  readonly table = new ThreadTable();
  /** How many threads are in the midst of a call that is watched. */
  underWay = 0;
  /** Whether threads are let go at their stops. */
  detaching = false;
  /** Why nothing can be watched at all. */
  failure: RefusedError | undefined;
  readonly #request: WatchRequest;
  readonly #receiver: Receiver;
  readonly #stop = new SyscallStop();
  readonly #payload: Payload;
  /** New processes that are not to be watched, and have not stopped yet. */
  readonly #unwanted = new Set<number>();
  /** Threads in a call that is made again, and has to end at a time. */
  readonly #limited = new Set<Thread>();
  /** New threads whose first stop came before their parent's, which tells what they are; with their wait status. */
  readonly #early = new Map<number, number>();

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

  /** Whether nobody is left to wait for. */
  get isEmpty(): boolean {
    return this.table.size === 0 && this.#unwanted.size === 0 && this.#early.size === 0;
  }

  /** Whether there are new threads that nobody has told of yet. */
  get hasEarly(): boolean {
    return this.#early.size > 0;
  }

  /** The soonest time at which a call that was made again has to end; undefined when there is none. */
  get soonestEnd(): number | undefined {
    let soonest: number | undefined;
    for (const { limit } of this.#limited) {
      if (soonest === undefined || limit!.end < soonest) soonest = limit!.end;
    }
    return soonest;
  }

  /** Break the calls that were made again, and whose time is over: see `leavesBroken`. */
  endLimited(): void {
    if (this.#limited.size === 0) return;
    const now = performance.now();
    for (const thread of this.#limited) {
      if (thread.limit!.end > now) continue;
      this.#limited.delete(thread);
      unlessDead(() => interrupt(thread.tid));
    }
  }

  /** Find out by /proc about new threads whose parent does not tell: for when there is nothing else to do. */
  resolveEarly(): void {
    for (const [tid, status] of this.#early) {
      this.#early.delete(tid);
      if (this.#newborn(tid)) this.handle(tid, status);
      else letGo(tid);
    }
  }

  /** A thread that we are the tracer of, of process `pid`. */
  add(pid: number, tid: number): Thread {
    const process = this.table.process(pid) ??
      new Process(pid, new FileTable(this.#request));
    return this.table.add(tid, process);
  }

  /** `tid` has wait status `status`. */
  handle(tid: number, status: number): void {
    const thread = this.table.thread(tid);
    if (thread !== undefined && isSyscallStop(status)) return this.#syscallStop(thread);
    const what = decodeWaitStatus(status);
    if (what.kind === "exited" || what.kind === "signaled") return this.#ended(tid, status);
    if (thread === undefined) {
      if (this.#unwanted.delete(tid)) letGo(tid);
      else this.#early.set(tid, status);
      return;
    }
    this.#stopped(thread, what);
  }

  #stopped(known: Thread, what: WaitStatus): void {
    const { tid } = known;
    switch (what.kind) {
      case "syscall-stop":
        return this.#syscallStop(known);
      case "signal-delivery-stop":
        return this.#signalStop(known, what.signal);
      case "group-stop":
        known.started = true;
        known.wasStopped = true;
        if (this.detaching) return this.#release(known);
        listen(tid);
        return;
      case "interrupt-stop":
        return this.#interruptStop(known);
      case "event-stop":
        this.#event(known, what.event);
        if (this.detaching) return this.#release(known);
        return this.#goOn(known);
      case "exited":
      case "signaled":
        return;
    }
  }

  #goOn(thread: Thread, signal = 0): void {
    thread.started = true;
    // Any stop takes a pending interrupt away (ptrace_stop() in kernel/signal.c), and the next may never come.
    if (this.detaching) unlessDead(() => interrupt(thread.tid));
    // One that is gone by now, by SIGKILL, has its end reported.
    resumeToSyscall(thread.tid, signal);
  }

  #release(thread: Thread, signal = 0): void {
    letGo(thread.tid, signal);
    this.#forget(thread);
  }

  #forget(thread: Thread): boolean {
    this.#leave(thread);
    const isLast = this.table.remove(thread);
    const { pidfd } = thread.process;
    if (isLast && pidfd !== undefined && pidfd >= 0) close(pidfd);
    return isLast;
  }

  // ---- System calls ----

  /** PTRACE_SYSCALL_INFO_*, of a thread in any kind of stop. */
  #ask(tid: number): number {
    const op = this.#stop.read(tid);
    if (op === -ERRNO.EIO) {
      this.failure ??= new RefusedError(
        "Cannot watch: this kernel does not tell about system calls (PTRACE_GET_SYSCALL_INFO)",
        ["Linux does since version 5.3"],
      );
    }
    return op;
  }

  #syscallStop(thread: Thread): void {
    thread.wasStopped = false;
    switch (this.#ask(thread.tid)) {
      case PTRACE_SYSCALL_INFO_ENTRY:
        // Also when detaching: an interrupt may be pending, would make the call return EINTR, and nobody put it right.
        this.#leave(thread);
        if (ASK_BEFORE_STOP) {
          thread.firstArgument = this.#stop.firstArgument;
          thread.broken = undefined;
        }
        this.#entry(thread);
        thread.since = performance.now();
        entersAgain(thread);
        if (thread.limit !== undefined) this.#limited.add(thread);
        break;
      case PTRACE_SYSCALL_INFO_EXIT: {
        const { result } = this.#stop;
        if (thread.call !== undefined) this.#exit(thread, thread.call, result);
        this.#leave(thread);
        if (result === -ERRNO.EINTR) leavesBroken(thread);
        thread.limit = undefined;
        // A call that our PTRACE_INTERRUPT broke can be put right only at the stop that follows.
        if (this.detaching && result >= 0) return this.#release(thread);
      }
    }
    this.#goOn(thread);
  }

  #entry(thread: Thread): void {
    const table = callTable(this.#stop.arch);
    let call = table?.calls[this.#stop.number];
    if (table === undefined || call === undefined) return;
    this.#stop.copyArguments(thread.args);
    thread.table = table;
    if (call.effect === "socketcall") call = readSocketcall(thread);
    if (call !== undefined && this.#matters(thread, call)) {
      thread.call = call;
      this.underWay++;
    }
  }

  #leave(thread: Thread): void {
    if (thread.call !== undefined) this.underWay--;
    thread.call = undefined;
    this.#limited.delete(thread);
  }

  /** Whether there is something to do when the call returns; notes then which output it is about. */
  #matters(thread: Thread, call: Call): boolean {
    if (call.effect === "unseen" && call.fd === undefined) return true;
    if (!("fd" in call)) return call.effect !== "socketcall";
    if (call.effect === "change") return true;
    thread.fd = thread.low(call.fd!) | 0;
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

  // ---- Everything else ----

  #signalStop(thread: Thread, signal: number): void {
    // A traced thread is woken for signals, too, that the kernel would have dropped unseen: its call must not
    // return EINTR for one that nobody handles. For job control's stops it would have, and does so after SIGCONT.
    if (STOP_SIGNALS.includes(signal) || thread.wasStopped) thread.again = undefined;
    else restartCall(thread, signal);
    if (signal === SIGWINCH) {
      this.#receiver.receive({ kind: "resize", time: now(), pid: thread.process.pid });
    }
    if (this.detaching) return this.#release(thread, signal);
    this.#goOn(thread, signal);
  }

  #interruptStop(thread: Thread): void {
    const isOurs = thread.interrupted || this.detaching;
    if (isOurs && !thread.wasStopped) restartCall(thread);
    if (thread.interrupted) this.#ask(thread.tid);
    thread.interrupted = false;
    if (this.detaching) return this.#release(thread);
    this.#goOn(thread);
  }

  #event(thread: Thread, event: number): void {
    switch (event) {
      case PTRACE_EVENT_CLONE:
      case PTRACE_EVENT_FORK:
      case PTRACE_EVENT_VFORK: {
        const born = messageOf(thread.tid);
        if (born === undefined || this.table.thread(born) !== undefined) return;
        if (event === PTRACE_EVENT_CLONE && makesThread(thread)) {
          this.table.add(born, thread.process);
        } else this.#newProcess(born, thread.process);
        this.#handleEarly(born);
        return;
      }
      case PTRACE_EVENT_EXEC:
        this.#executed(thread);
    }
  }

  /** Its first stop came before this one, by which it is known what it is. */
  #handleEarly(born: number): void {
    const status = this.#early.get(born);
    if (status === undefined) return;
    this.#early.delete(born);
    this.handle(born, status);
  }

  /** Whether a thread that only /proc tells of is to be watched. */
  #newborn(tid: number): boolean {
    const status = readStatus(tid);
    if (status === undefined) return false;
    const process = this.table.process(status.tgid);
    if (process === undefined) return this.#newProcess(tid, undefined);
    this.table.add(tid, process);
    return true;
  }

  /** Whether it is to be watched. */
  #newProcess(pid: number, parent: Process | undefined): boolean {
    if (!this.#request.follow) {
      // A process made by clone(2) with another signal than SIGCHLD: the kernel took it for a thread.
      if (parent !== undefined) this.#unwanted.add(pid);
      return false;
    }
    const shares = parent !== undefined && kcmp(parent.pid, pid, KCMP_FILES, 0, 0) === 0;
    const files = shares ? parent.files : new FileTable(this.#request);
    this.table.add(pid, new Process(pid, files));
    return true;
  }

  /** execve(2) ends all other threads, gives the one that made it the number of the first, and closes descriptors. */
  #executed(thread: Thread): void {
    const { process } = thread;
    const former = messageOf(thread.tid);
    const before = former === undefined ? undefined : this.table.thread(former);
    if (before !== undefined && before !== thread) {
      this.#leave(before);
      this.table.remove(before);
    }
    this.#leave(thread);
    thread.started = true;
    const options = thread.optionsAfterExec;
    if (options !== undefined) unlessDead(() => setOptions(thread.tid, options));
    process.files = new FileTable(this.#request);
  }

  #ended(tid: number, status: number): void {
    this.#unwanted.delete(tid);
    this.#early.delete(tid);
    const thread = this.table.thread(tid);
    if (thread === undefined) return;
    const { pid } = thread.process;
    if (!this.#forget(thread)) return;
    const own = tid === pid ? status : undefined;
    this.#receiver.receive({ kind: "end", time: now(), pid, status: own });
  }
}

function now(): number {
  return performance.timeOrigin + performance.now();
}

/** Let `tid` go for good; one that is dead needs no letting go. */
function letGo(tid: number, signal = 0): void {
  unlessDead(() => detach(tid, signal));
}

function messageOf(tid: number): number | undefined {
  return unlessDead(() => getEventMessage(tid));
}
