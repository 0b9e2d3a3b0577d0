/**
 * Owner and mode of a taken terminal's device file, which some programs that show terminals change as their window closes:
 * docs/kernel-notes.md#screen-makes-the-slave-roots.
 */
import { close } from "../../ffi/descriptor.ts";
import { verbose } from "../../log.ts";
import { slavePath } from "../../tty/master.ts";

/** The window closes soon: so often, and after so long each time, it is looked after; later only with every key. */
const LOOKS = 120;
const INTERVAL_MS = 250;

/** Keeps owner and mode of a slave's device file as they were when this was made: before the master is taken. */
export class SlaveGuard implements Disposable {
  readonly #file: number | undefined;
  readonly #before: Deno.FileInfo | undefined;
  readonly #timer: number;

  constructor(master: number) {
    this.#file = slavePath(master);
    this.#before = this.#stat();
    let left = LOOKS;
    this.#timer = setInterval(() => {
      this.check();
      if (--left === 0) clearInterval(this.#timer);
    }, INTERVAL_MS);
  }

  /** Put back what somebody has changed, where we may. */
  check(): void {
    const now = this.#stat();
    const before = this.#before;
    if (now === undefined || before === undefined || this.#file === undefined) return;
    try {
      const path = `/proc/self/fd/${this.#file}`;
      if (now.uid !== before.uid || now.gid !== before.gid) {
        Deno.chownSync(path, before.uid, before.gid);
      }
      if (now.mode !== before.mode) Deno.chmodSync(path, (before.mode ?? 0o600) & 0o7777);
    } catch (error) {
      verbose(`Cannot put back the owner and mode of the terminal: ${error}`);
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    if (this.#file !== undefined) close(this.#file);
  }

  #stat(): Deno.FileInfo | undefined {
    return this.#file === undefined ? undefined : Deno.statSync(`/proc/self/fd/${this.#file}`);
  }
}
