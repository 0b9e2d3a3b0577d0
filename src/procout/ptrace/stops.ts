/**
 * What is done at each stop of a thread. Two rules: every stop is answered at once by letting the thread go on as it
 * would have without us, and nothing but bytes is taken from it.
 */
import {
  KCMP_FILES,
  PTRACE_EVENT_CLONE,
  PTRACE_EVENT_EXEC,
  PTRACE_EVENT_FORK,
  PTRACE_EVENT_VFORK,
  SIGSTOP,
  SIGTSTP,
  SIGTTIN,
  SIGTTOU,
  SIGWINCH,
} from "../../ffi/constants.ts";
import { close } from "../../ffi/descriptor.ts";
import { kcmp } from "../../ffi/process.ts";
import { readStatus } from "../../proc/status.ts";
import { getEventMessage, interrupt, setOptions } from "../../tracee/ptrace.ts";
import { listen, resumeToSyscall } from "../../tracee/syscall_stop.ts";
import { decodeWaitStatus, isSyscallStop, type WaitStatus } from "../../tracee/wait_status.ts";
import type { Receiver, WatchRequest } from "../engine.ts";
import { FileTable } from "../file_table.ts";
import { CallStops, now } from "./call_stops.ts";
import { makesThread } from "./entered_call.ts";
import { inOrderOfRelease, letGo, letGoOf, repairToHold } from "./held.ts";
import { keepBroken, restartCall, unlessDead } from "./restart.ts";
import { Process, type Thread, ThreadTable } from "./table.ts";

/** Signals whose default action is job control's stop. */
const STOP_SIGNALS: readonly number[] = [SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU];

export class Stops {
  readonly table = new ThreadTable();
  /** Whether threads are let go at their stops. */
  detaching = false;
  /** Whether they wait in these stops until all threads of their process have stopped. */
  holding = false;
  readonly calls: CallStops;
  readonly #request: WatchRequest;
  readonly #receiver: Receiver;
  /** New processes that are not to be watched, and have not stopped yet. */
  readonly #unwanted = new Set<number>();
  /** New threads whose first stop came before their parent's, which tells what they are; with their wait status. */
  readonly #early = new Map<number, number>();

  constructor(request: WatchRequest, receiver: Receiver) {
    this.#request = request;
    this.#receiver = receiver;
    this.calls = new CallStops(request, receiver);
  }

  /** Whether nobody is left to wait for. */
  get isEmpty(): boolean {
    return this.table.size === 0 && this.#unwanted.size === 0 && this.#early.size === 0;
  }

  /** Whether there are new threads that nobody has told of yet. */
  get hasEarly(): boolean {
    return this.#early.size > 0;
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
        known.brokenRegisters = undefined;
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

  #syscallStop(thread: Thread): void {
    thread.wasStopped = false;
    // A call that our PTRACE_INTERRUPT broke can be put right only at the stop that follows.
    if (this.calls.handle(thread) && this.detaching) return this.#release(thread);
    this.#goOn(thread);
  }

  #goOn(thread: Thread, signal = 0): void {
    thread.started = true;
    // Any stop takes a pending interrupt away (ptrace_stop() in kernel/signal.c), and the next may never come.
    if (this.detaching) unlessDead(() => interrupt(thread.tid));
    // One that is gone by now, by SIGKILL, has its end reported.
    resumeToSyscall(thread.tid, signal);
  }

  #release(thread: Thread, signal = 0, isBroken = false): void {
    const { process } = thread;
    process.held.push({ thread, signal, isBroken });
    this.#releaseIfComplete(process);
  }

  #releaseIfComplete(process: Process): void {
    if (!this.holding || process.held.length === process.tids.size) this.#releaseHeld(process);
  }

  #releaseHeld({ held }: Process): void {
    for (const one of inOrderOfRelease(held.splice(0))) {
      letGoOf(one);
      this.#forget(one.thread);
    }
  }

  /** From now on no thread waits for another one. */
  endHolding(): void {
    this.holding = false;
    for (const process of this.table.processes) this.#releaseHeld(process);
  }

  #forget(thread: Thread): boolean {
    this.calls.leave(thread);
    const isLast = this.table.remove(thread);
    const { pidfd } = thread.process;
    if (isLast && pidfd !== undefined && pidfd >= 0) close(pidfd);
    return isLast;
  }

  #signalStop(thread: Thread, signal: number): void {
    // A traced thread is woken for signals, too, that the kernel would have dropped unseen: its call must not
    // return EINTR for one that nobody handles. For job control's stops it would have, and does so after SIGCONT.
    let isBroken = false;
    if (STOP_SIGNALS.includes(signal) || thread.wasStopped) keepBroken(thread);
    else isBroken = this.#repair(thread, signal);
    thread.brokenRegisters = undefined;
    if (signal === SIGWINCH) {
      this.#receiver.receive({ kind: "resize", time: now(), pid: thread.process.pid });
    }
    if (this.detaching) return this.#release(thread, signal, isBroken);
    this.#goOn(thread, signal);
  }

  /** Whether a stop has broken the thread's call, which is made again then. */
  #repair(thread: Thread, signal = 0): boolean {
    return this.detaching ? repairToHold(thread, signal) : restartCall(thread, signal);
  }

  #interruptStop(thread: Thread): void {
    const isOurs = thread.interrupted || this.detaching;
    const isBroken = isOurs && !thread.wasStopped && this.#repair(thread);
    if (!isBroken) thread.brokenRegisters = undefined;
    if (thread.interrupted) this.calls.ask(thread.tid);
    thread.interrupted = false;
    if (this.detaching) return this.#release(thread, 0, isBroken);
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
      this.calls.leave(before);
      this.table.remove(before);
    }
    this.calls.leave(thread);
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
    const { pid, held } = thread.process;
    const index = held.findIndex((one) => one.thread === thread);
    if (index >= 0) held.splice(index, 1);
    if (!this.#forget(thread)) return this.#releaseIfComplete(thread.process);
    const own = tid === pid ? status : undefined;
    this.#receiver.receive({ kind: "end", time: now(), pid, status: own });
  }
}

function messageOf(tid: number): number | undefined {
  return unlessDead(() => getEventMessage(tid));
}
