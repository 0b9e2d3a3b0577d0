/**
 * Programs whose threads and children come and go all the time, and programs that execute others, are moved like any. That
 * what is looked at may end at any moment is no reason to refuse a move, and nothing is guessed about it.
 */
import { assert, assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { SIGINT } from "../../src/ffi/constants.ts";
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { descendantsOf, ProcessHandle } from "../support/child.ts";
import { assertNoneLeft, SHELL } from "../support/e2e_target.ts";
import { requiresCompiler, victim } from "../support/programs.ts";
import { procoutPath } from "../support/procout.ts";
import { reptyrPath } from "../support/reptyr.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";

const LOOKS = 12;
const MOVES = 8;
const MIRRORS = 3;

/** Where the numbers of the target's own PID, and of all that is born after it, begin. */
const HIGH = 20000;
const LOW = 500;

/** A PID namespace of an interactive shell, in which numbers are given away from where we want. */
class Wrapped implements Disposable {
  readonly terminal = Terminal.start(["unshare", "-p", "-f", "--mount-proc", ...SHELL]);
  /** The target outside of the namespace. */
  readonly pid: number;
  readonly inside: number;
  readonly #enter: readonly string[];

  /** `args` are those of the victim. The numbers have wrapped behind it. */
  constructor(...args: string[]) {
    this.terminal.expect("$ ");
    this.terminal.line(`echo ${HIGH} >/proc/sys/kernel/ns_last_pid`);
    this.terminal.line([victim("come_and_go"), ...args].join(" "));
    this.inside = Number(this.terminal.expect(/ready (\d+)/)[1]);
    const shell = descendantsOf(this.terminal.pid)[0]!;
    this.pid = waitUntil(
      "the victim",
      () => descendantsOf(shell).find((pid) => readStatus(pid)?.nsPid.at(-1) === this.inside),
    );
    this.#enter = ["nsenter", "-t", String(shell), "-p", "-m", "sh", "-c"];
  }

  /** What runs a program of ours inside, where what is born from now on has lower numbers than the target. */
  command(program: string, ...options: readonly string[]): string[] {
    const script = `echo ${LOW} >/proc/sys/kernel/ns_last_pid; exec "$@"`;
    return [...this.#enter, script, "sh", program, ...options, String(this.inside)];
  }

  why(): { readonly code: number; readonly text: string } {
    const [program, ...args] = this.command(reptyrPath, "--why");
    const { code, stdout, stderr } = new Deno.Command(program!, { args, stdin: "null" })
      .outputSync();
    return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
  }

  [Symbol.dispose](): void {
    this.terminal[Symbol.dispose]();
  }
}

const wrapping = requiresCapability(["pidns", "chosen_pids"], requiresCompiler);

const WHO = ["threads", "children", "both", "exec"];

/** Each is born with a lower number than the target has. */
const LOWER = "with lower numbers behind it";

describe("a target whose threads and children come and go", () => {
  afterEach(assertNoneLeft);

  for (const who of [...WHO, "headless"]) {
    wrapping(`can be listed again and again, ${LOWER}: ${who}`, () => {
      using wrapped = new Wrapped(who);
      const refused = Array.from({ length: LOOKS }, () => wrapped.why())
        .filter(({ code }) => code !== 0).map(({ text }) => text);
      assertEquals(refused, []);
    });
  }

  for (const who of WHO) {
    wrapping(`can be moved again and again, ${LOWER}: ${who}`, () => {
      using wrapped = new Wrapped(who);
      using terminals = new DisposableStack();
      let before: Terminal | undefined;
      for (let count = 1; count <= MOVES; count++) {
        const { ttyNr } = readStat(wrapped.pid)!;
        const moved = terminals.use(Terminal.start(wrapped.command(reptyrPath)));
        waitUntil("the move", () => {
          assert(moved.child.status === undefined, moved.describe());
          const now = readStat(wrapped.pid);
          return now !== undefined && now.ttyNr !== 0 && now.ttyNr !== ttyNr;
        });
        moved.line(`hello ${count}`);
        moved.expect(`line: hello ${count}`);
        if (before !== undefined) {
          assertEquals(before.expectExit(), { kind: "exited", status: 0 }, before.describe());
        }
        before = moved;
      }
      before!.line("exit 9");
      assertEquals(before!.expectExit(), { kind: "exited", status: 9 }, before!.describe());
    });

    wrapping(`can be mirrored again and again, ${LOWER}: ${who}`, () => {
      using wrapped = new Wrapped(who);
      for (let count = 1; count <= MIRRORS; count++) {
        using mirror = Terminal.start(wrapped.command(procoutPath, "--engine=ptrace", "-V"));
        mirror.expect("Watching");
        wrapped.terminal.line(`hello ${count}`);
        mirror.expect(`line: hello ${count}`);
        // ^C would end nsenter, too.
        using procout = new ProcessHandle(descendantsOf(mirror.pid)[0]!);
        procout.signal(SIGINT);
        assertEquals(mirror.expectExit(), { kind: "exited", status: 0 }, mirror.describe());
      }
    });
  }
});
