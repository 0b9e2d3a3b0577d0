/** `procout`: mirror what processes write, until they end or the user has seen enough. */
import { chooseEngine, type EngineChoice } from "./choose_engine.ts";
import type { DescriptorChoice } from "./engine.ts";
import type { ColorChoice, FormatName } from "./formats/choose_format.ts";
import { mirrorCommand } from "./mirror_command.ts";
import { mirrorProcesses } from "./mirror_processes.ts";
import { preflight } from "./preflight.ts";

export type { ColorChoice, FormatName } from "./formats/choose_format.ts";

export interface MirrorRequest {
  readonly target:
    | { readonly kind: "processes"; readonly pids: readonly number[] }
    | { readonly kind: "command"; readonly argv: readonly string[] };
  readonly follow: boolean;
  readonly choice: DescriptorChoice;
  /** A file for the mirror in place of our standard output. */
  readonly output: { readonly path: string; readonly append: boolean } | undefined;
  readonly format: FormatName;
  readonly color: ColorChoice;
  readonly engine: EngineChoice;
  /** Of the engine bpf: bytes of the ring, a power of two; and whether to drop what there is no room for. */
  readonly ringBytes: number;
  readonly lossy: boolean;
  readonly redraw: boolean;
  readonly stats: boolean;
}

/** Watches until the end; the exit status. Throws RefusedError for what cannot be watched or written. */
export async function mirror(request: MirrorRequest): Promise<number> {
  const { target } = request;
  if (target.kind === "processes") {
    // A target that no engine can watch is refused before an engine is loaded.
    preflight(target.pids, false);
    using chosen = chooseEngine(request.engine, { ...request, hasGiven: false });
    return await mirrorProcesses(request, chosen, preflight(target.pids, chosen.isPtrace));
  }
  // The outputs that the command gets are watched whichever of its children has them.
  const hasGiven = request.choice.numbers === undefined;
  const follow = request.follow || hasGiven;
  using chosen = chooseEngine(request.engine, { ...request, follow, hasGiven });
  return await mirrorCommand(request, chosen, { argv: target.argv, hasGiven });
}
