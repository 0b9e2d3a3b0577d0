/** Takes what an engine sees, has it formatted, and writes it where it belongs. */
import type { RefusedError } from "../errors.ts";
import { writeStderr } from "../log.ts";
import { shellStatus } from "../proc/exit_status.ts";
import type { Control, ReadyHandler, Receiver, WatchEvent } from "./engine.ts";
import type { Format } from "./formats/format.ts";
import type { Output } from "./output.ts";
import type { Stats } from "./stats.ts";

export interface MirrorOptions {
  readonly format: Format;
  readonly stdout: Output;
  /** For what the target writes to its stderr; the same as `stdout` where all goes to one place. */
  readonly stderr: Output;
  readonly stats: Stats;
  /** Called with who has written something whose reader has gone away, and where. */
  readonly onUnread?: ((pid: number, fd: number) => void) | undefined;
  /** Called once when something cannot be written; without it that is for {@linkcode Mirror.throwFailure}. */
  readonly onFailure?: ((failure: RefusedError) => void) | undefined;
}

export class Mirror implements Receiver {
  readonly #options: MirrorOptions;
  readonly #lossesTold = new Set<string>();
  /** Exit statuses, as a shell's `$?`, of processes that have ended. */
  readonly statuses = new Map<number, number>();
  control: Control | undefined;
  #lastOutput: Output | undefined;
  #isFailureTold = false;

  constructor(options: MirrorOptions) {
    this.#options = options;
    this.#write(options.format.begin(), 1);
  }

  /** Whether one of the two readers has gone away. */
  get isReaderGone(): boolean {
    return this.#outputs.some(({ isGone }) => isGone);
  }

  /** Whether something cannot be written. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  get #failure(): RefusedError | undefined {
    return this.#outputs.find(({ failure }) => failure !== undefined)?.failure;
  }

  /** Throws RefusedError for what could not be written, unless somebody was told. */
  throwFailure(): void {
    if (this.#failure !== undefined && !this.#isFailureTold) throw this.#failure;
  }

  get #outputs(): readonly Output[] {
    return [this.#options.stdout, this.#options.stderr];
  }

  get blocked(): boolean {
    return this.#options.stdout.isBlocked || this.#options.stderr.isBlocked;
  }

  /** Settles when everything is written, when that cannot be, or when the user wants an end, or a pause. */
  async room(): Promise<void> {
    for (const output of new Set([this.#options.stdout, this.#options.stderr])) {
      while (output.isBlocked && !this.#isInterrupted) {
        await this.control?.sleep(output.ready());
        await this.control?.turn(false);
        output.retry();
      }
    }
  }

  retry(): void {
    for (const output of new Set(this.#outputs)) output.retry();
    this.#tellFailure();
  }

  #tellFailure(): void {
    const { onFailure } = this.#options;
    if (onFailure === undefined || this.#isFailureTold || this.#failure === undefined) return;
    this.#isFailureTold = true;
    onFailure(this.#failure);
  }

  get #isInterrupted(): boolean {
    return this.control?.stopping === true || this.control?.suspending === true;
  }

  onReady(readyHandler: ReadyHandler): void {
    this.#options.stdout.onReady(readyHandler);
    this.#options.stderr.onReady(readyHandler);
  }

  gather(on: boolean): void {
    this.#options.stdout.gather(on);
    this.#options.stderr.gather(on);
    this.#tellFailure();
  }

  receive(event: WatchEvent): void {
    const { format, stats, onUnread } = this.#options;
    stats.count(event);
    if (event.kind === "unseen") tellUnseen(event.pid, event.call);
    else if (event.kind === "lost") this.#tellLost(event);
    else if (event.kind === "end" && event.status !== undefined) {
      this.statuses.set(event.pid, shellStatus(event.status));
    }
    const output = this.#write(format.event(event), "stream" in event ? event.stream : 1);
    if (output?.isGone && event.kind === "output") onUnread?.(event.pid, event.fd);
  }

  /** What stands after the last event. */
  finish(): void {
    this.#write(this.#options.format.end(), 1);
    this.retry();
  }

  /** Where it goes, if it is anything. */
  #write(bytes: Uint8Array<ArrayBuffer> | undefined, stream: number): Output | undefined {
    if (bytes === undefined || bytes.length === 0) return undefined;
    const output = stream === 2 ? this.#options.stderr : this.#options.stdout;
    // Both may be the same terminal, where the order shows.
    if (output !== this.#lastOutput) this.#lastOutput?.flush();
    this.#lastOutput = output;
    output.write(bytes);
    this.#tellFailure();
    return output;
  }

  /** Each kind once for a descriptor: the numbers are in --stats and in the formats that have a place for them. */
  #tellLost({ pid, fd, stream, count, why }: WatchEvent & { kind: "lost" }): void {
    const key = `${pid} ${fd} ${why}`;
    if (this.#lossesTold.has(key)) return;
    this.#lossesTold.add(key);
    const what = count === 0 ? "Bytes" : `${count} bytes`;
    const did = stream === 0 ? "read from" : "wrote to";
    writeStderr(`procout: ${what} that process ${pid} ${did} descriptor ${fd} are lost: ${why}`);
  }
}

function tellUnseen(pid: number, call: string): void {
  writeStderr(`procout: What process ${pid} writes by ${call} cannot be shown`);
}
