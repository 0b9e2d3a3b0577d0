/**
 * Our job record, published in an unnamed file of memory, memfd_create(2): a process that may trace us can open that by our
 * /proc/PID/fd, no file system has it, and it ends with us, however we do.
 */
import { F_ADD_SEALS, F_SEAL_SEAL } from "../../ffi/constants.ts";
import { close, fcntl, memfdCreate, replace, write } from "../../ffi/descriptor.ts";
import { verbose } from "../../log.ts";
import { UNCHANGING } from "../../proc/memfd.ts";
import type { ProcessIdentity } from "../../proc/process_identity.ts";
import { formatRecord, type JobRecord } from "./job_record.ts";

/** Of the file, as /proc shows it. */
export const RECORD_NAME = "reptyr-job";

/** Our own record, with `write` to change it. Until then it says whose job is being moved. */
export class PublishedRecord implements Disposable {
  /** Negative where there is none: then the next reptyr is told nothing. */
  #fd = -1;

  constructor(readonly target: ProcessIdentity) {
    this.write({ target, shields: [] });
  }

  /** The file never changes: another one takes its place, so that nobody reads half of a record. */
  write(record: JobRecord): void {
    const fd = publish(formatRecord(record));
    if (fd < 0) return verbose("The next reptyr is told nothing of this job: no file of memory");
    if (this.#fd < 0) this.#fd = fd;
    else {
      replace(this.#fd, fd);
      close(fd);
    }
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) close(this.#fd);
    this.#fd = -1;
  }
}

/** A sealed file with `text` in it; negative where there is none. */
function publish(text: string): number {
  const fd = memfdCreate(RECORD_NAME);
  if (fd < 0) return fd;
  const bytes = new TextEncoder().encode(text);
  const isWritten = write(fd, bytes) === bytes.length;
  if (isWritten && fcntl(fd, F_ADD_SEALS, UNCHANGING | F_SEAL_SEAL) >= 0) return fd;
  close(fd);
  return -1;
}
