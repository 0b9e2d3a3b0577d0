/** Mirrors what processes write, until they end or the user has seen enough. */
import { POLLERR, POLLHUP, SIGHUP, SIGTERM } from "../ffi/constants.ts";
import { PollSet } from "../ffi/descriptor.ts";
import type { RefusedError } from "../errors.ts";
import { kill } from "../ffi/process.ts";
import { verbose, writeStderr } from "../log.ts";
import { chooseEngine, type ChosenEngine, type EngineChoice } from "./choose_engine.ts";
import { startHeldUp } from "./command.ts";
import { type ControlOptions, SignalControl } from "./control.ts";
import type { Control, DescriptorChoice, Engine } from "./engine.ts";
import { CastFormat } from "./formats/cast.ts";
import type { Format } from "./formats/format.ts";
import { HexFormat } from "./formats/hex.ts";
import { JsonFormat } from "./formats/json.ts";
import { LineFormat } from "./formats/line.ts";
import { RawFormat } from "./formats/raw.ts";
import { Mirror, type MirrorOptions } from "./mirror.ts";
import { Output } from "./output.ts";
import { preflight } from "./preflight.ts";
import { leftOutText, ownReaders, refuseReaders } from "./own_readers.ts";
import { StandIn } from "./stand_in.ts";
import { Stats } from "./stats.ts";
import { TargetTerminal } from "./target_terminal.ts";
import { unreadWriters } from "./unread.ts";

export type FormatName = "raw" | "line" | "json" | "cast" | "hex";
export type ColorChoice = "auto" | "always" | "never";

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

/** Exit status for a mirror that could not be written to its end. */
const EXIT_UNWRITTEN = 1;
/** Exit status for a mirror that has gaps. */
const EXIT_LOST = 3;

/** Watch until the end; the exit status. Throws RefusedError for what cannot be watched or written. */
export async function mirror(request: MirrorRequest): Promise<number> {
  const { target } = request;
  // What no engine can watch is to be said whichever it would be.
  if (target.kind === "processes") preflight(target.pids, false);
  const hasGiven = hasGivenOutputs(request);
  const follow = request.follow || hasGiven;
  using chosen = chooseEngine(request.engine, { ...request, follow, hasGiven });
  return target.kind === "processes"
    ? await mirrorProcesses(request, chosen, preflight(target.pids, chosen.isPtrace))
    : await mirrorCommand(request, chosen, target.argv);
}

/** Whether the outputs that the command gets are to be watched, in whatever hands they are. */
function hasGivenOutputs({ target, choice }: MirrorRequest): boolean {
  return target.kind === "command" && choice.numbers === undefined;
}

async function mirrorProcesses(
  request: MirrorRequest,
  chosen: ChosenEngine,
  pids: readonly number[],
): Promise<number> {
  using session = new Session(request, new TargetTerminal(pids));
  const { mirror } = session;
  const { follow, choice } = request;
  const apart = ownReaders(session.descriptors, pids, follow);
  refuseReaders(pids, apart);
  const control = session.listen({
    SIGINT: "stop",
    SIGTERM: "stop",
    SIGHUP: "stop",
    SIGQUIT: "stop",
    SIGTSTP: "suspend",
  }, {
    isOver: () => mirror.isReaderGone || mirror.hasFailed,
    over: () => session.readerGone(),
  });
  {
    using engine = chosen.make({ pids, follow, choice, apart }, session.mirror, control);
    session.name(engine, chosen.why);
    if (apart.size > 0) writeStderr(`procout: ${leftOutText(apart)}`);
    engine.attach();
    using _redrawing = request.redraw ? session.terminal.redraw() : undefined;
    await engine.run();
  }
  return session.finish() ?? 0;
}

async function mirrorCommand(
  request: MirrorRequest,
  chosen: ChosenEngine,
  argv: readonly string[],
): Promise<number> {
  using standIn = request.output === undefined ? new StandIn() : undefined;
  // The terminal is the one that both are on. A file that cannot be written is to be known before there is a child.
  // As without us: whoever writes to a reader that has gone away hears so, and all others go on.
  const onUnread = standIn && unreadWriters([standIn.stdout, standIn.stderr]);
  // Whoever waits for us waits for the command: a mirror that fails is no reason to end before it.
  let isMirrored = true;
  const onFailure = ({ message }: RefusedError) => {
    isMirrored = false;
    writeStderr(`procout: ${message}; the command goes on without a mirror`);
  };
  const terminal = new TargetTerminal([Deno.pid]);
  using session = new Session(request, terminal, { onUnread, onFailure });
  using held = await startHeldUp(argv, standIn?.files ?? []);
  const { pid } = held;
  // The keyboard's signals reach the command by themselves; those sent to this program alone are passed on. At ^Z it stops
  // with us; the engine ptrace, which has shown what it wrote before it goes on from that, has nothing to do first.
  const control = session.listen({
    SIGINT: () => {},
    SIGQUIT: () => {},
    SIGTERM: () => kill(pid, SIGTERM),
    SIGHUP: () => kill(pid, SIGHUP),
    SIGWINCH: () => standIn?.resize(),
    ...chosen.isPtrace ? {} : { SIGTSTP: "suspend" },
  }, { isOver: () => false, ...standIn && { well: standIn } });
  {
    const { choice } = request;
    // They are watched wherever they are, in its children too. With --output they are our own.
    const command = request.follow ? undefined : pid;
    const { stdout, stderr } = standIn ?? { stdout: 1, stderr: 2 };
    const given = hasGivenOutputs(request) ? { command, stdout, stderr } : undefined;
    const follow = request.follow || given !== undefined;
    using engine = chosen.make(
      { pids: [pid], follow, choice, standIn: given },
      session.mirror,
      control,
    );
    session.name(engine, chosen.why);
    engine.attachHeldUp(pid);
    await held.letGo();
    await engine.run();
  }
  const status = session.finish();
  return isMirrored ? status ?? session.mirror.statuses.get(pid) ?? 0 : EXIT_UNWRITTEN;
}

/** What both kinds of watch have around them. */
class Session implements Disposable {
  readonly mirror: Mirror;
  readonly #request: MirrorRequest;
  readonly #outputs: Output[];
  readonly #stats = new Stats();
  readonly #started = performance.now();
  #engine = "";

  constructor(
    request: MirrorRequest,
    readonly terminal: TargetTerminal,
    callbacks: Pick<MirrorOptions, "onUnread" | "onFailure"> = {},
  ) {
    this.#request = request;
    const { output } = request;
    const stdout = output === undefined
      ? Output.standard(1)
      : Output.file(output.path, output.append);
    // Whatever is more than the bytes themselves belongs together.
    const together = output !== undefined || request.format !== "raw";
    const stderr = together ? stdout : Output.standard(2);
    this.#outputs = together ? [stdout] : [stdout, stderr];
    const format = makeFormat(request, terminal);
    this.mirror = new Mirror({ format, stdout, stderr, stats: this.#stats, ...callbacks });
  }

  /** Signals to this program from now on, and when the watch ends else. */
  listen(
    onSignal: ControlOptions["onSignal"],
    others: Pick<ControlOptions, "isOver" | "well" | "over">,
  ): Control {
    const control = new SignalControl({ onSignal, ...others });
    this.mirror.control = control;
    return control;
  }

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
    await set.pollAsync(-1);
    this.#outputs.forEach((output, index) => {
      if ((set.reported(index) & (POLLERR | POLLHUP)) !== 0) output.giveUp();
    });
  }

  /** The targets run free by now. Their own exit status counts where this is undefined. Throws RefusedError. */
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

function makeFormat({ format, color, output }: MirrorRequest, terminal: TargetTerminal): Format {
  const shownOn = format === "raw" ? Deno.stderr : Deno.stdout;
  const auto = output === undefined && shownOn.isTerminal() && !Deno.noColor;
  const red = color === "always" || color === "auto" && auto;
  switch (format) {
    case "raw":
      return new RawFormat(red, output === undefined && Deno.stdout.isTerminal());
    case "line":
      return new LineFormat(red);
    case "hex":
      return new HexFormat(red);
    case "json":
      return new JsonFormat();
    case "cast": {
      const env = { TERM: Deno.env.get("TERM") ?? "", SHELL: Deno.env.get("SHELL") ?? "" };
      return new CastFormat(
        performance.timeOrigin + performance.now(),
        () => terminal.describe(),
        env,
      );
    }
  }
}
