/** Programs with files on a file system that another program serves: tests/victims/fuse_server.c. */
import { requiresCapability } from "./capabilities.ts";
import { ProcessHandle } from "./child.ts";
import { PROMPT, type Shape, SHELL } from "./on_terminal.ts";
import { requiresCompiler, victim } from "./programs.ts";
import { Terminal, waitUntil } from "./terminal.ts";
import { readStat } from "../../src/proc/stat.ts";

const SIGUSR1 = 10;

/** The words that run `argv` with a file system on `folder`, whose file has the bytes of the program `source`. */
export function served(
  folder: string,
  options: string,
  argv: readonly string[],
  source = victim("command"),
): string[] {
  return [victim("fuse_server"), folder, source, options, ...argv];
}

/** `it` where such a file system can be mounted, and its server compiled. */
export const requiresFuse = requiresCapability(["mountns", "fuse", "users"], requiresCompiler);

/** The words for `fuse_server`: what it says of them is in its file. */
export type ServerOptions =
  | "none"
  | "member"
  | "member,busy"
  | "member,forks"
  | "member,busy,bears"
  | "busy"
  | `user=${number}`
  | `user=${number},userns`;

/** The program that serves the file system, which has said so on `terminal`. */
export class FuseServer implements Disposable {
  readonly #handle: ProcessHandle;
  readonly pid: number;

  constructor(terminal: Terminal) {
    const said = () => /server (\d+)/.exec(terminal.output)?.[1];
    this.pid = Number(waitUntil("the server of the file system", said));
    this.#handle = new ProcessHandle(this.pid);
  }

  /** From now on no request is answered: a process that makes one waits, and cannot even be killed. */
  silence(): void {
    this.#handle.signal(SIGUSR1);
    waitUntil("the signal to be handled", () => {
      const status = Deno.readTextFileSync(`/proc/${this.pid}/status`);
      return /^ShdPnd:\s*0+$/m.test(status) && readStat(this.pid)?.state === "S";
    });
  }

  /** From now on all requests fail, those that have waited among them. */
  end(): void {
    this.#handle.end();
    waitUntil("the server to end", () => this.#handle.ended);
  }

  [Symbol.dispose](): void {
    using _ = this.#handle;
    this.#handle.end();
  }
}

/** An empty folder, for a file system that only its users see. */
export class MountPoint implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "reptyr-fuse-" });

  [Symbol.dispose](): void {
    Deno.removeSync(this.path);
  }
}

/**
 * A program on a new terminal with itself, a file and its working directory on such a file system: `source`,
 * tests/victims/command.c unless it is another.
 */
export class Served implements Disposable {
  readonly folder = new MountPoint();
  readonly terminal: Terminal;
  readonly pid: number;
  readonly server: FuseServer;
  readonly #cleanup = new DisposableStack();

  constructor(options: ServerOptions, shape: Shape = "session leader", source?: string) {
    using cleanup = new DisposableStack();
    cleanup.use(this.folder);
    const words = served(this.folder.path, options, [`${this.folder.path}/file`], source);
    const isLeader = shape === "session leader";
    this.terminal = cleanup.use(Terminal.start(isLeader ? words : SHELL, { label: "old" }));
    if (!isLeader) {
      this.terminal.expect(PROMPT);
      this.terminal.line(words.join(" "));
    }
    this.server = cleanup.use(new FuseServer(this.terminal));
    this.pid = readStat(this.server.pid)!.ppid;
    this.terminal.expect("ready");
    this.#cleanup = cleanup.move();
  }

  [Symbol.dispose](): void {
    this.#cleanup[Symbol.dispose]();
  }
}
