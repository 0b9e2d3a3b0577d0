/** What is done in the name of a process that its cgroup holds still. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { HeldUpError } from "../../src/errors.ts";
import { TRACE_SESSION } from "../../src/tracee/trace_session.ts";
import { RemoteSyscalls } from "../../src/tracee/remote_syscalls.ts";
import { Tracee } from "../../src/tracee/tracee.ts";
import { requiresCapability } from "../support/capabilities.ts";
import type { Child } from "../support/child.ts";
import { Cgroup, FREEZERS } from "../support/frozen.ts";
import { startDetached } from "../support/input_run.ts";
import { assertNothingLeft, snapshot } from "../support/leftovers.ts";
import { requiresCompiler } from "../support/programs.ts";
import { type Terminal, waitUntil } from "../support/terminal.ts";
import { startVictim, untilAllBlocked } from "../support/victim.ts";

const OPTIONS = { timeoutSeconds: 0.2 };

/** Some of its calls are made, then it is frozen, and others are asked for in vain. `last` comes before the scope ends. */
function injectInFrozen(
  victim: Terminal,
  cgroup: Cgroup,
  hasSigframes: boolean,
  last = () => {},
): Disposable {
  using tracee = Tracee.seize(victim.pid, OPTIONS);
  using remote = RemoteSyscalls.begin(tracee);
  assertEquals(remote.hasSigframes, hasSigframes);
  assertEquals(remote.syscallOrThrow("getpid"), BigInt(victim.pid));
  const frozen = cgroup.freeze();
  assertThrows(() => remote.syscall("getpid"), HeldUpError);
  // It is not waited for again.
  assertThrows(() => remote.syscall("getpid"), HeldUpError);
  assertThrows(() => RemoteSyscalls.begin(tracee), HeldUpError);
  last();
  return frozen;
}

for (const version of FREEZERS) {
  const test = requiresCapability(`freezer_v${version}`, requiresCompiler);

  describe(`a process that is frozen while it is worked on, cgroups of version ${version}`, () => {
    for (const [program, args] of [["command", []], ["threads", ["blocked", 3]]] as const) {
      test(`is given up within the timeout, and goes on where it was: ${program}`, () => {
        using cgroup = new Cgroup(version);
        using victim = startVictim(program, args);
        cgroup.add(victim.pid);
        untilAllBlocked(victim.pid);
        const before = snapshot(victim.pid);
        {
          using _frozen = injectInFrozen(victim, cgroup, true);
        }
        waitUntil("it to be let go", () => TRACE_SESSION.pendingDetach.release() === 0);
        assertNothingLeft(before);
        if (program === "command") {
          victim.line("hello");
          victim.expect("line: hello");
        } else {
          victim.line("wake");
          for (let i = 0; i < 3; i++) victim.expect(/thread \d read 1/);
        }
      });
    }

    test("is waited for when it has no sigframe stack to return by", () => {
      using cgroup = new Cgroup(version);
      using victim = startVictim("stackless");
      cgroup.add(victim.pid);
      untilAllBlocked(victim.pid);
      using thawing = new Thawing(cgroup);
      const before = snapshot(victim.pid);
      {
        // In version 2 it can be reached, and need not be.
        using _frozen = injectInFrozen(victim, cgroup, false, () => version === 1 && thawing.ask());
      }
      assertNothingLeft(before);
      victim.line("hello");
      victim.expect("line: hello");
    });
  });
}

/** A process of its own that thaws a cgroup: this one waits for what is in it. */
class Thawing implements Disposable {
  readonly #fifo = Deno.makeTempFileSync({ prefix: "reptyr-thawing-" });
  readonly #child: Child;

  constructor(cgroup: Cgroup) {
    Deno.removeSync(this.#fifo);
    assert(new Deno.Command("mkfifo", { args: [this.#fifo] }).outputSync().success);
    const script = 'read -r word < "$1" && echo THAWED > "$2"';
    this.#child = startDetached(["sh", "-c", script, "sh", this.#fifo, cgroup.file]);
  }

  ask(): void {
    Deno.writeTextFileSync(this.#fifo, "now\n");
  }

  [Symbol.dispose](): void {
    this.#child[Symbol.dispose]();
    Deno.removeSync(this.#fifo);
  }
}
