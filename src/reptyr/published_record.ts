/**
 * Job records, published in an unnamed file of memory, memfd_create(2): whoever may trace us can open that by our
 * /proc/PID/fd, no file system has it, and it ends with us, however we do.
 */
import { close, memfdCreate } from "../ffi/descriptor.ts";
import { readable } from "../proc/gone.ts";
import { readStat } from "../proc/stat.ts";
import { readStatus } from "../proc/status.ts";
import { listPids } from "../proc/tasks.ts";
import { formatRecord, type JobRecord, parseRecord } from "./job_record.ts";

const NAME = "reptyr-job";
const LINK = `/memfd:${NAME} (deleted)`;

/** Our own record, with `write` to change it. Until then it says whose job is being moved. */
export class PublishedRecord implements Disposable {
  /** Negative when the kernel gave us none: then the next reptyr is told nothing. */
  readonly #fd = memfdCreate(NAME);

  constructor(target: number) {
    this.write({ target, shields: [] });
  }

  write(record: JobRecord): void {
    if (this.#fd >= 0) Deno.writeTextFileSync(`/proc/self/fd/${this.#fd}`, formatRecord(record));
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) close(this.#fd);
  }
}

/**
 * The records of other reptyrs that could have moved process `pid`: those of its user and of root. What others say may
 * be a trap for root, who would have `pid` call what they wish.
 */
export function readRecords(pid: number): JobRecord[] {
  const user = readable(() => readStatus(pid))?.uids[0];
  const own = readStat(Deno.pid)?.comm;
  return listPids().filter((other) => {
    if (other === Deno.pid || readable(() => readStat(other))?.comm !== own) return false;
    const uids = readable(() => readStatus(other))?.uids ?? [];
    return uids.every((uid) => uid === user) || uids.every((uid) => uid === 0);
  }).flatMap(recordsOf);
}

function recordsOf(pid: number): JobRecord[] {
  const folder = `/proc/${pid}/fd`;
  const fds = readable(() => Array.from(Deno.readDirSync(folder), ({ name }) => name)) ?? [];
  return fds.filter((fd) => readable(() => Deno.readLinkSync(`${folder}/${fd}`)) === LINK)
    .map((fd) => parseRecord(readable(() => Deno.readTextFileSync(`${folder}/${fd}`)) ?? ""))
    .filter((record) => record !== undefined);
}
