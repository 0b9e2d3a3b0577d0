/** From words on the command line to an exit status. Never ends the program itself. */

import { RefusedError } from "../errors.ts";
import { setVerbose, writeStderr } from "../log.ts";
import type { ProcessReport } from "../reptyr/inspect/process_report.ts";
import { type CommandName, type Invocation } from "./command_name.ts";
import { helpText } from "./help.ts";
import type { NewTerminalOptions } from "../reptyr/new_terminal/mod.ts";
import type { MirrorRequest } from "../procout/mod.ts";
import { parseReptyr, type Request } from "./options.ts";
import { parseProcout } from "./procout_options.ts";
import { jsonText, listText, type Style, whyText } from "./process_text.ts";
import { EXIT_FAILURE, report, wantsColor } from "./report.ts";
import { VERSION } from "./version.ts";
import type { MoveOptions } from "../reptyr/inspect/move_options.ts";

/** What does the work: given from outside, so that --help and --version load nothing of it. */
export interface Work {
  /** Makes room for what follows, within this program's own limits. Throws RefusedError. */
  readonly makeRoom: () => void;
  /** Moves a process and stays until it ends; its exit status. */
  readonly move: (options: MoveOptions) => Promise<number>;
  /** Makes a terminal and stays as long as it is used; its exit status. */
  readonly newTerminal: (options: NewTerminalOptions) => Promise<number>;
  /** Takes the whole terminal of a process and stays until all have left it; the exit status. */
  readonly steal: (options: MoveOptions) => Promise<number>;
  /** Mirrors what processes write until they end; the exit status. */
  readonly mirror: (request: MirrorRequest) => Promise<number>;
  /** What --list shows. */
  readonly list: () => Promise<readonly ProcessReport[]>;
  /** What --why says. */
  readonly why: (pid: number) => Promise<ProcessReport>;
  /** Does --install; the lines that say what was done. */
  readonly install: (folder: string | undefined) => Promise<readonly string[]>;
}

/** Runs one command to its end; every error becomes lines on stderr and an exit status. */
export async function run({ command, args }: Invocation, work: Work): Promise<number> {
  try {
    return await perform(
      command === "reptyr" ? parseReptyr(args) : parseProcout(args),
      command,
      work,
    );
  } catch (error) {
    return reportError(error, command, wantsVerbose(args));
  }
}

/** Writes what there is to say about an error to stderr; the exit status. */
export function reportError(error: unknown, command: CommandName, verbose: boolean): number {
  const color = wantsColor(Deno.stderr.isTerminal(), Deno.env.get("NO_COLOR"));
  const { lines, status } = report(error, { command, verbose, color });
  for (const line of lines) writeStderr(line);
  return status;
}

/** Whether --verbose stands on a command line, be the rest of it right or wrong. */
export function wantsVerbose(args: readonly string[]): boolean {
  return args.some((arg) => arg === "--verbose" || /^-[A-Za-z]*V[A-Za-z]*$/.test(arg));
}

async function perform(request: Request, command: CommandName, work: Work): Promise<number> {
  if (request.kind !== "help" && request.kind !== "version") work.makeRoom();
  switch (request.kind) {
    case "help":
      writeStdout(helpText(command));
      return 0;
    case "version":
      writeStdout(`${command} ${VERSION}\n`);
      return 0;
    case "install":
      for (const line of await work.install(request.folder)) writeStdout(`${line}\n`);
      return 0;
    case "mirror":
      setVerbose(request.verbose);
      return await work.mirror(request.request);
    case "list": {
      const reports = await work.list();
      writeStdout(request.json ? jsonText(reports) : listText(reports, styleOfStdout()));
      return 0;
    }
    case "why": {
      const answer = await work.why(request.pid);
      writeStdout(request.json ? jsonText(answer) : whyText(answer, styleOfStdout()));
      return answer.can ? 0 : EXIT_FAILURE;
    }
    case "new terminal":
      setVerbose(request.verbose);
      requireOwnTerminal("Cannot make a new terminal to be used here");
      return await work.newTerminal(request.options);
    case "move":
      setVerbose(request.verbose);
      return await work.move(request.options);
    case "steal":
      setVerbose(request.verbose);
      requireOwnTerminal("Cannot take a terminal over to here");
      return await work.steal(request.options);
  }
}

function styleOfStdout(): Style {
  const isTerminal = Deno.stdout.isTerminal();
  return {
    // A terminal that was never given a size says 0.
    width: isTerminal ? Deno.consoleSize().columns || undefined : undefined,
    color: wantsColor(isTerminal, Deno.env.get("NO_COLOR")),
  };
}

/** The terminal that a new one is shown on, and typed at. */
function requireOwnTerminal(problem: string): void {
  if (Deno.stdin.isTerminal() && Deno.stdout.isTerminal()) return;
  const name = Deno.stdin.isTerminal() ? "stdout" : "stdin";
  throw new RefusedError(`${problem}: ${name} is not a terminal`, [
    "Run reptyr in a terminal, with neither its input nor its output redirected",
  ]);
}

function writeStdout(text: string): void {
  const bytes = new TextEncoder().encode(text);
  try {
    for (let done = 0; done < bytes.length;) done += Deno.stdout.writeSync(bytes.subarray(done));
  } catch (error) {
    // The reader has seen enough: `reptyr --help | head -1`.
    if (error instanceof Deno.errors.BrokenPipe) return;
    const reason = error instanceof Error ? error.message.replace(/ \(os error \d+\)$/, "") : error;
    throw new RefusedError(`Cannot write to the standard output: ${reason}`, [], { cause: error });
  }
}
