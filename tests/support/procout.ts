/** The built `procout`, with what it writes in files of a folder of its own. */
import { assertEquals, assertMatch } from "@std/assert";
import { beforeEach, describe } from "@std/testing/bdd";
import { dirname, join } from "@std/path";
import { O_CREAT, O_RDONLY, O_WRONLY } from "../../src/ffi/constants.ts";
import { spawn } from "../../src/ffi/spawn.ts";
import { lacks } from "./capabilities.ts";
import { Child, type ChildStatus } from "./child.ts";
import { orDispose } from "./or_dispose.ts";
import { reptyrPath } from "./reptyr.ts";
import { waitUntil } from "./terminal.ts";

export const procoutPath: string = join(dirname(reptyrPath), "procout");

const ENVIRONMENT = {
  PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin",
  HOME: "/nonexistent",
  LANG: "C.UTF-8",
  TZ: "UTC",
};

export type EngineName = "ptrace" | "bpf";

/** The engines that can be used here for the tests called `name`; one that cannot is named with the reason. */
export function enginesFor(name: string): readonly EngineName[] {
  const noBpf = lacks("bpf");
  if (noBpf === undefined) return ["ptrace", "bpf"];
  console.log(`Skipped: ${name}, engine bpf: ${noBpf}`);
  return ["ptrace"];
}

/** `describe` once for each engine that can be used here; every {@linkcode Procout} in it takes that. */
export function describeEngines(name: string, body: (engine: EngineName) => void): void {
  for (const engine of enginesFor(name)) {
    describe(`${name}, engine ${engine}`, () => {
      beforeEach(() => {
        Procout.engine = engine;
      });
      body(engine);
    });
  }
}

export interface ProcoutOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** All of the words, in place of procout and its own. */
  readonly argv?: readonly string[];
  /** A path in place of the file that its standard output goes to. */
  readonly stdout?: string;
}

export class Procout implements Disposable {
  /** What each one is started with, unless it is told by its words. */
  static engine: EngineName = "ptrace";
  readonly folder = Deno.makeTempDirSync({ prefix: "reptyr-procout-" });
  readonly child: Child;

  private constructor(
    words: readonly (string | number)[],
    { env, stdout, argv: all }: ProcoutOptions,
  ) {
    // What `FOLDER` stands for in a word is known only here.
    const argv = words.map((word) => String(word).replaceAll("FOLDER", this.folder));
    const flags = O_WRONLY | O_CREAT;
    const engine = argv.some((word) => word.startsWith("--engine"))
      ? []
      : [`--engine=${Procout.engine}`];
    const pid = spawn(all ?? [procoutPath, ...engine, ...argv], {
      env: { ...ENVIRONMENT, ...env },
      files: [
        { fd: 0, path: "/dev/null", flags: O_RDONLY },
        { fd: 1, path: stdout ?? this.path("stdout"), flags },
        { fd: 2, path: this.path("stderr"), flags },
      ],
    });
    this.child = new Child(pid);
  }

  /** `procout WORDS`; `FOLDER` in a word stands for the folder. */
  static start(words: readonly (string | number)[], options: ProcoutOptions = {}): Procout {
    return new Procout(words, options);
  }

  /** `procout -V OPTIONS PID`, when it watches every thread. */
  static watch(
    pid: number,
    words: readonly (string | number)[] = [],
    options: ProcoutOptions = {},
  ): Procout {
    const procout = new Procout(["-V", ...words, pid], options);
    return orDispose(procout, () => {
      waitUntil("procout to watch", () => {
        if (procout.child.status !== undefined) throw new Error(`It ended: ${procout.stderr}`);
        return procout.stderr.includes("[+] Watching");
      });
      return procout;
    });
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  bytes(name = "stdout"): Uint8Array<ArrayBuffer> {
    try {
      return Deno.readFileSync(this.path(name));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return new Uint8Array();
      throw error;
    }
  }

  get stdout(): string {
    return new TextDecoder().decode(this.bytes());
  }

  get stderr(): string {
    return new TextDecoder().decode(this.bytes("stderr"));
  }

  /** What it says on stderr besides what --verbose says. */
  get messages(): string {
    return this.stderr.replace(/^\[\+\].*\n/gm, "");
  }

  untilStdout(text: string): void {
    waitUntil(JSON.stringify(text), () => this.stdout.includes(text));
  }

  signal(signal: number): void {
    this.child.handle.signal(signal);
  }

  /** Wait until it has ended; how it did. */
  end(timeoutMs = 60_000): ChildStatus {
    const { child } = this;
    return waitUntil(`procout to end: ${this.messages}`, () => child.status, {
      timeoutMs,
      descriptors: [child.handle.descriptor],
    });
  }

  expectEnd(status = 0, timeoutMs?: number): void {
    const end = this.end(timeoutMs);
    assertEquals(end, { kind: "exited", status }, this.stderr);
  }

  [Symbol.dispose](): void {
    this.child[Symbol.dispose]();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** `procout WORDS` ends with `status` and says `message`, and nothing on stdout. */
export function assertRefused(
  words: readonly (string | number)[],
  status: number,
  message: string | RegExp,
): void {
  using procout = Procout.start(words);
  procout.expectEnd(status);
  if (typeof message === "string") assertEquals(procout.stderr, `procout: ${message}\n`);
  else assertMatch(procout.stderr, message);
  assertEquals(procout.stdout, "");
}
