/** Which engine it is to be, and why. */
import { BpfUnavailableError } from "./bpf/available.ts";
import { BpfEngine } from "./bpf/engine.ts";
import { type BpfOptions, LoadedPrograms } from "./bpf/loaded.ts";
import type { Control, Engine, Receiver, WatchRequest } from "./engine.ts";
import { PtraceEngine } from "./ptrace/engine.ts";

/** `auto` is bpf where it can be used, else ptrace. */
export type EngineChoice = "auto" | "bpf" | "ptrace";

export class ChosenEngine implements Disposable {
  readonly #loaded: LoadedPrograms | undefined;
  /** Why it is not bpf; undefined where nobody wanted that. */
  readonly why: string | undefined;

  constructor(loaded: LoadedPrograms | undefined, why?: string) {
    this.#loaded = loaded;
    this.why = why;
  }

  get isPtrace(): boolean {
    return this.#loaded === undefined;
  }

  make(request: WatchRequest, receiver: Receiver, control: Control): Engine {
    return this.#loaded === undefined
      ? new PtraceEngine(request, receiver, control)
      : new BpfEngine(request, receiver, control, this.#loaded);
  }

  [Symbol.dispose](): void {
    this.#loaded?.[Symbol.dispose]();
  }
}

/** With the engine bpf its programs run from now on, for nobody as yet. Throws BpfUnavailableError for `bpf`. */
export function chooseEngine(choice: EngineChoice, options: BpfOptions): ChosenEngine {
  if (choice === "ptrace") return new ChosenEngine(undefined);
  try {
    return new ChosenEngine(LoadedPrograms.load(options));
  } catch (error) {
    if (choice === "bpf" || !(error instanceof BpfUnavailableError)) throw error;
    return new ChosenEngine(undefined, error.why);
  }
}
