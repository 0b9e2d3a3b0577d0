/**
 * What the holders of a taken master get in its place, and what becomes of them.
 *
 * At first they get a master whose slave every program has left, as at the end of any last program: they close their
 * window. A holder that has heard of the end and still holds it, as script(1) and sshd(8) do, gets a descriptor that
 * reports nothing and swallows every write. docs/kernel-notes.md#what-a-displaced-emulator-should-get says why it is
 * these two.
 */
import { ourFd } from "../../brands.ts";
import { SyscallError } from "../../errors.ts";
import { KCMP_FILE } from "../../ffi/constants.ts";
import { close } from "../../ffi/descriptor.ts";
import { kcmp } from "../../ffi/process.ts";
import { openSilence } from "../../ffi/socket.ts";
import { verbose } from "../../log.ts";
import { findMasterHolders } from "../../proc/masters.ts";
import type { ProcessIdentity } from "../../proc/process_identity.ts";
import { haveRun, readRuns, type Runs } from "../../proc/runs.ts";
import { readStat } from "../../proc/stat.ts";
import { TRACE_SESSION } from "../../tracee/trace_session.ts";
import { Pty } from "../../tty/pty.ts";
import { replace, type ReplacedFds } from "./replace_master.ts";

/** Time to close a window; then the pause between looks at holders that have not run yet, being stopped. */
const FIRST_LOOK_MS = 1500;
const NEXT_LOOK_MS = 1000;

/** How long the holder may be kept waiting. */
const STOP_SECONDS = 0.2;

/** A hung-up master in place of the real one, from before that is taken until no process holds it. */
export class DisplacedMaster implements Disposable {
  readonly #pty: Pty;
  #timer: number | undefined;
  /** The processes that hold it, by PID, each with how often it had run when it got it. */
  #losses = new Map<number, ReplacedFds>();

  /** Throws RefusedError where the system has no more terminals to give. */
  constructor() {
    this.#pty = Pty.open();
    this.#pty.releaseSlave();
  }

  get descriptor(): number {
    return this.#pty.master;
  }

  /** Watch the processes that have it now. */
  watch(losses: readonly ReplacedFds[]): void {
    this.#losses = new Map(losses.map((loss) => [loss.process.pid, loss]));
    this.#lookIn(FIRST_LOOK_MS);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#pty[Symbol.dispose]();
  }

  #lookIn(milliseconds: number): void {
    this.#timer = setTimeout(() => {
      if (this.#silence()) this.#lookIn(NEXT_LOOK_MS);
    }, milliseconds);
  }

  /** Silence it for the processes that have run since; returns whether others still hold it. */
  #silence(): boolean {
    const held = findMasterHolders(this.#pty.index).holders
      .map(({ pid }) => this.#losses.get(pid)).filter((loss) => loss !== undefined);
    const ready = held.filter(({ process, runs }) => hasRun(process.pid, runs));
    let waiting = held.length > ready.length;
    for (const { process } of ready) {
      const { pid } = process;
      try {
        silence(process, this.#pty);
        this.#losses.delete(pid);
      } catch (error) {
        // No error here may end the service. A thread in uninterruptible sleep can be stopped later.
        verbose(`Process ${pid} keeps its hung-up terminal: ${error}`);
        if (error instanceof SyscallError) this.#losses.delete(pid);
        else waiting = true;
      }
    }
    return waiting;
  }
}

function silence(process: ProcessIdentity, { master, index }: Pty): void {
  TRACE_SESSION.pendingDetach.release();
  const silent = ourFd(openSilence());
  try {
    const losses = replace({
      holders: [process],
      index,
      isWanted: ({ tid, fd }) => kcmp(Deno.pid, tid, KCMP_FILE, master, fd) === 0,
      replacement: silent,
    }, STOP_SECONDS);
    if (losses.length > 0) verbose(`Process ${process.pid} goes on without its terminal`);
  } finally {
    close(silent);
  }
}

/** Whether a process has run since `before`, and is not stopped. */
function hasRun(pid: number, before: Runs): boolean {
  return haveRun(before, readRuns(pid)) && !/[Tt]/.test(readStat(pid)?.state ?? "");
}
