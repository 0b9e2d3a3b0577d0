/** What both kinds of watch have around them: where the mirror goes, the signals, the numbers for --stats. */
import { POLLERR, POLLHUP } from "../ffi/constants.ts";
import { PollSet } from "../ffi/descriptor.ts";
import { pollOnOtherThread } from "../ffi/threads.ts";
import { verbose, writeStderr } from "../log.ts";
import { type ControlOptions, SignalControl } from "./control.ts";
import type { Control, Engine } from "./engine.ts";
import { makeFormat } from "./formats/choose_format.ts";
import { Mirror, type MirrorOptions } from "./mirror.ts";
import type { MirrorRequest } from "./mod.ts";
import { Output } from "./output.ts";
import { Stats } from "./stats.ts";
import type { TargetTerminal } from "./target_terminal.ts";

/** Threads that a watch needs: for the engine, a full output, the loss of a reader, and the terminal of a command. */
export const WATCH_THREADS = 4;

/** Exit status for a mirror that has gaps. */
const EXIT_LOST = 3;

export class Session implements Disposable {
  readonly mirror: Mirror;
  readonly #request: MirrorRequest;
  readonly #outputs: Output[];
  readonly #stats = new Stats();
  readonly #started = performance.now();
  #engine = "";

  /** Throws RefusedError when the file of the mirror cannot be opened. */
  constructor(
    request: MirrorRequest,
    readonly terminal: TargetTerminal,
    callbacks: Pick<MirrorOptions, "onUnread" | "onFailure"> = {},
  ) {
    this.#request = request;
    const { output, format, color } = request;
    const toFile = output !== undefined;
    const stdout = toFile ? Output.file(output.path, output.append) : Output.standard(1);
    // A format that adds something to the bytes keeps them together.
    const together = toFile || format !== "raw";
    const stderr = together ? stdout : Output.standard(2);
    this.#outputs = together ? [stdout] : [stdout, stderr];
    this.mirror = new Mirror({
      format: makeFormat({ format, color, toFile, terminal: () => terminal.describe() }),
      stdout,
      stderr,
      stats: this.#stats,
      ...callbacks,
    });
  }

  /** Signals to this program act from now on; `others` are the other reasons to end. */
  listen(
    onSignal: ControlOptions["onSignal"],
    others: Pick<ControlOptions, "isOver" | "drain" | "over">,
  ): Control {
    const control = new SignalControl({ onSignal, ...others });
    this.mirror.control = control;
    return control;
  }

  /** `why` not bpf, where that was wanted. */
  name({ name }: Engine, why: string | undefined): void {
    this.#engine = why === undefined ? name : `${name} (no bpf: ${why})`;
    verbose(`Engine: ${this.#engine}`);
  }

  /** What the mirror is written to. */
  get descriptors(): number[] {
    return this.#outputs.map(({ descriptor }) => descriptor);
  }

  /** Settles when a reader has gone away, or for no reason: before the target writes again, which may be never. */
  async readerGone(): Promise<void> {
    const set = new PollSet(this.#outputs.length);
    this.descriptors.forEach((fd, index) => set.watch(index, fd, 0));
    await pollOnOtherThread(set);
    this.#outputs.forEach((output, index) => {
      if ((set.reported(index) & (POLLERR | POLLHUP)) !== 0) output.giveUp();
    });
  }

  /** To be called when the targets run free. Undefined where their own exit status counts. Throws RefusedError. */
  finish(): number | undefined {
    this.mirror.finish();
    this.mirror.throwFailure();
    if (this.#request.stats) {
      const seconds = (performance.now() - this.#started) / 1000;
      writeStderr(`procout: ${this.#stats.text(this.#engine, seconds)}`);
    }
    if (this.#request.target.kind === "command") return undefined;
    return this.#stats.losses > 0 ? EXIT_LOST : 0;
  }

  [Symbol.dispose](): void {
    for (const output of this.#outputs) output[Symbol.dispose]();
  }
}
