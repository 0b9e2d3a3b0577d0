/**
 * A job in which threads and children come and go, and members execute programs, all the time, some of them out of a thread:
 * whatever is seen of one that ends or executes at that moment is no reason to refuse anything, and nothing is guessed.
 */
import { assert, assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { SIGINT } from "../../src/ffi/constants.ts";
import { readStat } from "../../src/proc/stat.ts";
import { type Capability, lacks, requiresCapability } from "../support/capabilities.ts";
import { ProcessHandle } from "../support/child.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { publicVictim } from "../support/input_victims.ts";
import { procoutPath } from "../support/procout.ts";
import { requiresCompiler } from "../support/programs.ts";
import { reptyrPath } from "../support/reptyr.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";
import { AS_NOBODY } from "../support/users.ts";

/** How many times as much is done: for who has the time. The gate's own takes a minute; 15 are 60 looks and 45 moves. */
const TIMES = Number(Deno.env.get("REPTYR_ROUNDS") ?? 1);
const LOOKS = 4 * TIMES;
const MOVES = 3 * TIMES;
const MIRRORS = 2 * TIMES;

interface User {
  readonly name: string;
  /** What runs a program as that user. */
  readonly as: readonly string[];
  readonly needs: readonly Capability[];
}

const USERS: readonly User[] = [
  { name: "root", as: [], needs: ["ptrace"] },
  { name: "an ordinary user", as: AS_NOBODY, needs: ["users", "attach"] },
];

class Storm implements Disposable {
  readonly terminal: Terminal;
  readonly pid: number;

  constructor(readonly as: readonly string[]) {
    this.terminal = Terminal.start([...as, publicVictim("come_and_go"), "storm"]);
    this.pid = Number(this.terminal.expect(/ready (\d+)/)[1]);
  }

  /** What `reptyr --why` says when it says no. */
  whyNot(): string | undefined {
    const [program, ...args] = [...this.as, reptyrPath, "--why", String(this.pid)];
    const { code, stdout, stderr } = new Deno.Command(program!, { args, stdin: "null" })
      .outputSync();
    const text = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
    return code === 0 ? undefined : text;
  }

  move(): Terminal {
    const { ttyNr } = readStat(this.pid)!;
    using undo = new DisposableStack();
    const moved = undo.use(Terminal.start([...this.as, reptyrPath, String(this.pid)]));
    waitUntil("the move", () => {
      assert(moved.child.status === undefined, moved.describe());
      const now = readStat(this.pid);
      return now !== undefined && now.ttyNr !== 0 && now.ttyNr !== ttyNr;
    });
    undo.move();
    return moved;
  }

  mirror(engine: string): void {
    using mirror = Terminal.start([
      ...[...this.as, procoutPath, `--engine=${engine}`, "-V", "--follow"],
      String(this.pid),
    ]);
    mirror.expect("Watching");
    this.terminal.line(`hello ${engine}`);
    mirror.expect(`line: hello ${engine}`);
    using procout = new ProcessHandle(mirror.pid);
    procout.signal(SIGINT);
    assertEquals(mirror.expectExit(), { kind: "exited", status: 0 }, mirror.describe());
  }

  [Symbol.dispose](): void {
    this.terminal[Symbol.dispose]();
  }
}

describe("a job whose processes come, go and execute all the time", () => {
  afterEach(assertNoneLeft);

  for (const { name, as, needs } of USERS) {
    const asUser = requiresCapability(needs, requiresCompiler);

    asUser(`is never explained away: ${name}`, () => {
      using storm = new Storm(as);
      const refused = Array.from({ length: LOOKS }, () => storm.whyNot())
        .filter((text) => text !== undefined);
      assertEquals(refused, []);
    });

    asUser(`is moved each time: ${name}`, () => {
      using storm = new Storm(as);
      using terminals = new DisposableStack();
      let last: Terminal | undefined;
      for (let count = 1; count <= MOVES; count++) {
        const moved = terminals.use(storm.move());
        moved.line(`hello ${count}`);
        moved.expect(`line: hello ${count}`);
        if (last !== undefined) {
          assertEquals(last.expectExit(), { kind: "exited", status: 0 }, last.describe());
        }
        last = moved;
      }
      last!.line("exit 9");
      assertEquals(last!.expectExit(), { kind: "exited", status: 9 }, last!.describe());
    });

    const engines = as.length > 0 || lacks("bpf") !== undefined ? ["ptrace"] : ["ptrace", "bpf"];
    for (const engine of engines) {
      asUser(`is mirrored each time: ${name}, engine ${engine}`, () => {
        using storm = new Storm(as);
        for (let count = 1; count <= MIRRORS; count++) storm.mirror(engine);
      });
    }
  }
});
