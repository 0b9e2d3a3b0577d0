/** Processes that say that they serve a job, as the ones that their records are acted on for: authority.ts. */
import { type Credentials, readCredentials } from "../../proc/credentials.ts";
import { readable } from "../../proc/gone.ts";
import { currentStat, type ProcessIdentity } from "../../proc/process_identity.ts";
import { isEnding, readStat, type Stat } from "../../proc/stat.ts";
import { listTids } from "../../proc/tasks.ts";
import { readYamaLevel } from "../../tracee/attach_facts.ts";
import { isNoLess, maySignal, mayTrace, type Surroundings } from "./authority.ts";

/** What may be done on the word of a process: asked right before it is done, of processes as they are then. */
export interface Authority {
  /** Whether it may do all that we may: what it says can be said on as a word of our own. */
  readonly isOurs: boolean;
  readonly maySignal: (name: ProcessIdentity, signal?: number) => boolean;
  readonly mayTrace: (name: ProcessIdentity) => boolean;
}

/** A process as it was when its record was read; it may have ended since. */
export class RecordHolder implements Authority {
  readonly #around: Surroundings;

  private constructor(
    readonly pid: number,
    readonly credentials: Credentials,
    readonly session: number,
    around: Surroundings,
  ) {
    this.#around = around;
  }

  /**
   * Process `pid`. Undefined when it is gone, where the kernel does not let us look, and for one in another PID namespace:
   * the numbers that it knows are those of that.
   */
  static read(pid: number, around: Surroundings): RecordHolder | undefined {
    return readable(() => {
      const stat = readStat(pid);
      const credentials = readCredentials(pid, pid);
      const isNear = pidNamespace(pid) === pidNamespace(Deno.pid);
      if (stat === undefined || credentials === undefined || !isNear) return undefined;
      return new RecordHolder(pid, credentials, stat.session, around);
    });
  }

  get isRoot(): boolean {
    return this.credentials.uids[0] === 0;
  }

  get isOurs(): boolean {
    return isNoLess(this.credentials, this.#around.self);
  }

  /** Whether it may send `signal`, or any, to a process. */
  readonly maySignal = ({ pid, startTime }: ProcessIdentity, signal?: number): boolean => {
    const stat = sameProcess({ pid, startTime });
    const target = stat && readable(() => readCredentials(pid, pid));
    return target !== undefined && maySignal(this.credentials, target, this.#around, {
      ...signal === undefined ? {} : { signal },
      sameSession: stat?.session === this.session,
    });
  };

  /** Whether it may trace a process: every thread of it. */
  readonly mayTrace = ({ pid, startTime }: ProcessIdentity): boolean => {
    if (sameProcess({ pid, startTime }) === undefined) return false;
    const tids = (listTids(pid) ?? []).filter((tid) => !isEnding(pid, tid));
    return tids.length > 0 && tids.every((tid) => {
      const target = readable(() => readCredentials(pid, tid));
      if (target !== undefined && mayTrace(this.credentials, target, this.#around)) return true;
      // Of one that has begun to end since, root owns the files.
      return isEnding(pid, tid);
    });
  };
}

/** What is the same for all holders. Throws a plain Error without /proc. */
export function readSurroundings(): Surroundings {
  const self = readCredentials(Deno.pid, Deno.pid);
  if (self === undefined) throw new Error("Cannot read /proc/self/status: is /proc mounted?");
  return { self, yama: readYamaLevel() };
}

function sameProcess(process: ProcessIdentity): Stat | undefined {
  return readable(() => currentStat(process));
}

function pidNamespace(pid: number): string | undefined {
  return readable(() => Deno.readLinkSync(`/proc/${pid}/ns/pid`));
}
