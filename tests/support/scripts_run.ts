/** A reptyr that a script runs: on no terminal, its input and output in the hands of the test. */
import { assertEquals } from "@std/assert";
import { F_SETFL } from "../../src/ffi/constants.ts";
import { close, fcntl, pipe, read, write } from "../../src/ffi/descriptor.ts";
import { spawn } from "../../src/ffi/spawn.ts";
import { Child } from "./child.ts";
import { type Shape, Target } from "./e2e_target.ts";
import { Untouched } from "./input_run.ts";
import { reptyrPath } from "./reptyr.ts";
import { waitUntil } from "./terminal.ts";

export interface ScriptOptions {
  /** Of a shell, behind the command: `</dev/null`. Without it the three descriptors are pipes of the test. */
  readonly redirections?: string;
  /** In front of the PID. */
  readonly args?: readonly string[];
}

/** One end of a pipe that is read by the test, to the end. */
class Captured {
  readonly #decoder = new TextDecoder();
  #text = "";
  #ended = false;

  constructor(readonly fd: number) {}

  /** All that has come. */
  get text(): string {
    const buffer = new Uint8Array(1 << 16);
    while (!this.#ended) {
      const count = read(this.fd, buffer);
      if (count < 0) break;
      this.#ended = count === 0;
      this.#text += this.#decoder.decode(buffer.subarray(0, count), { stream: true });
    }
    return this.#text;
  }

  get ended(): boolean {
    return this.text !== undefined && this.#ended;
  }
}

export class Script implements Disposable {
  readonly #input: number;
  readonly #out: Captured;
  readonly #err: Captured;
  readonly #closing = new DisposableStack();
  #inputOpen = true;
  #outputOpen = true;

  private constructor(
    readonly child: Child,
    readonly ends: { input: number; out: number; err: number },
  ) {
    this.#input = ends.input;
    this.#out = new Captured(ends.out);
    this.#err = new Captured(ends.err);
    this.#closing.defer(() => close(ends.err));
    this.#closing.defer(() => this.closeOutput());
    this.#closing.defer(() => this.endInput());
    this.#closing.use(child);
  }

  /** Run `reptyr PID` in a session of its own, with no controlling terminal. */
  static start(pid: number, options: ScriptOptions = {}): Script {
    const words = [...options.args ?? [], String(pid)];
    const line = `exec "$0" "$@" ${options.redirections ?? ""}`;
    return Script.run(["sh", "-c", line, reptyrPath, ...words]);
  }

  /** Run any command so. */
  static run(argv: readonly string[]): Script {
    const [input, out, err] = [pipe(), pipe(), pipe()];
    const theirs = [input.readEnd, out.writeEnd, err.writeEnd];
    // As a shell makes them: only our ends do not block.
    for (const fd of theirs) fcntl(fd, F_SETFL, 0);
    try {
      const pid = spawn(argv, {
        env: { PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin", NO_COLOR: "1" },
        newSession: true,
        files: theirs.map((dup, fd) => ({ fd, dup })),
      });
      const ends = { input: input.writeEnd, out: out.readEnd, err: err.readEnd };
      return new Script(new Child(pid), ends);
    } finally {
      for (const fd of theirs) close(fd);
    }
  }

  /** Write all of `text` to its standard input, while its output is read. */
  write(text: string): void {
    let rest = new TextEncoder().encode(text);
    waitUntil("reptyr to read its input", () => {
      const count = write(this.#input, rest);
      if (count > 0) rest = rest.slice(count);
      void this.output;
      return rest.length === 0;
    });
  }

  endInput(): void {
    if (this.#inputOpen) close(this.#input);
    this.#inputOpen = false;
  }

  /** Nobody reads its standard output any more. */
  closeOutput(): void {
    if (this.#outputOpen) close(this.#out.fd);
    this.#outputOpen = false;
  }

  /** What it has written to its standard output so far. */
  get output(): string {
    return this.#out.text;
  }

  /** What it has written to its standard error so far. */
  get errors(): string {
    return this.#err.text;
  }

  expect(pattern: string | RegExp): void {
    const found = () =>
      typeof pattern === "string" ? this.output.includes(pattern) : pattern.test(this.output);
    waitUntil(`${typeof pattern === "string" ? JSON.stringify(pattern) : pattern}`, found);
  }

  /** It ends with `status`, and has said `errors` and no more. What it wrote is complete then. */
  expectEnd(status: number, errors = ""): void {
    try {
      waitUntil("reptyr to end", () => (void this.output, this.child.status !== undefined));
    } catch (cause) {
      const tail = JSON.stringify(this.output.slice(-500));
      throw new Error(`reptyr does not end; its output ended with ${tail}`, { cause });
    }
    assertEquals(this.child.status, { kind: "exited", status }, this.errors);
    waitUntil("its output to end", () => !this.#outputOpen || this.#out.ended);
    waitUntil("its errors to end", () => this.#err.ended);
    assertEquals(this.errors, errors);
  }

  [Symbol.dispose](): void {
    this.#closing.dispose();
  }
}

/** A process that runs the line `script`, and waits for input. */
export function start(shape: Shape, script: string, shell = "sh"): Target {
  const argv = [shell, "-c", `echo ready; ${script}`];
  const target = Target.start(shape, argv, (terminal) => terminal.expect("ready"));
  new Untouched(target.pid, script.startsWith("exec ") ? script.slice(5) : shell);
  return target;
}

/** A reptyr that has moved `target` to a terminal that reads the test's pipe, and is otherwise as it was. */
export function move(target: Target, options?: ScriptOptions): Script {
  using stack = new DisposableStack();
  let script: Script | undefined;
  const start = () => {
    script = stack.use(Script.start(target.pid, options));
    return script.child;
  };
  target.moveBy(start, target.terminal);
  stack.move();
  return script!;
}
