/** The gate of src/reptyr: no signal and no ptrace request goes to a process that it does not admit, by name. */
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RefusedError, TraceeDiedError } from "../../src/errors.ts";
import { SIGTERM } from "../../src/ffi/constants.ts";
import { isMachineInit } from "../../src/proc/init.ts";
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { Gate, nameOf } from "../../src/reptyr/gate.ts";
import type { Child } from "../support/child.ts";
import { startDetached, switchesOf } from "../support/input_run.ts";
import { waitUntil } from "../support/terminal.ts";
import { untilBlocked } from "../support/victim.ts";

const OPTIONS = { timeoutSeconds: 5 };

function sleeper(): Child {
  const child = startDetached(["sleep", "1000"]);
  waitUntil("sleep", () => readStat(child.pid)?.comm === "sleep");
  untilBlocked(child.pid);
  return child;
}

/** Neither signalled nor traced, and alive. */
function assertLeftAlone(child: Child, action: () => void): void {
  const before = switchesOf(child.pid);
  action();
  assertEquals(switchesOf(child.pid), before);
  assertEquals(readStatus(child.pid)?.tracerPid, 0);
  assert(!child.handle.ended);
}

function assertClosed(gate: Gate, child: Child, name = nameOf(child.pid)): void {
  assertLeftAlone(child, () => {
    assertEquals(gate.signal(name, SIGTERM), false);
    assertThrows(() => gate.seize(name, OPTIONS), RefusedError, "is no part of the job");
    assertThrows(() => gate.ask(name, OPTIONS), RefusedError, "is no part of the job");
  });
}

describe("the gate", () => {
  it("lets through who was admitted", () => {
    using child = sleeper();
    const gate = new Gate([nameOf(child.pid)]);
    {
      using tracee = gate.seize(nameOf(child.pid), OPTIONS);
      assertNotEquals(readStatus(child.pid)?.tracerPid, 0);
      assertEquals(tracee.pid, child.pid);
    }
    assertEquals(readStatus(child.pid)?.tracerPid, 0);
    assertEquals(gate.signal(nameOf(child.pid), SIGTERM), true);
    assert(child.handle.waitForEnd(20_000));
    assertEquals(child.status, { kind: "signaled", signal: SIGTERM });
  });

  it("lets nothing through to others", () => {
    using child = sleeper();
    using other = sleeper();
    assertClosed(new Gate(), child);
    assertClosed(new Gate([nameOf(other.pid)]), child);
  });

  it("knows a process by the time of its start, too: its number alone is nothing", () => {
    using child = sleeper();
    const { pid, startTime } = nameOf(child.pid);
    const earlier = { pid, startTime: startTime - 1n };
    assertClosed(new Gate([earlier]), child);
    // Admitted by that name, and gone since: another has the number.
    const gate = new Gate([earlier]);
    assertLeftAlone(child, () => {
      assertEquals(gate.signal(earlier, SIGTERM), false);
      assertThrows(() => gate.seize(earlier, OPTIONS), TraceeDiedError);
      assertThrows(() => gate.ask(earlier, OPTIONS), TraceeDiedError);
    });
  });

  it("admits nobody who was barred before", () => {
    using child = sleeper();
    const gate = new Gate();
    gate.bar([nameOf(child.pid)]);
    gate.admit([nameOf(child.pid)]);
    assertClosed(gate, child);
  });

  it("never admits the init of this machine", () => {
    const gate = new Gate([nameOf(1)]);
    assertEquals(gate.admits(nameOf(1)), !isMachineInit(1));
  });
});
