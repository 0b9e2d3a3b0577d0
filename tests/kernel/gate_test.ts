/** The gate of src/reptyr: no signal and no ptrace request goes to a process that it does not admit, by name. */
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RefusedError, TraceeDiedError } from "../../src/errors.ts";
import { SIGTERM } from "../../src/ffi/constants.ts";
import { isMachineInit } from "../../src/proc/init.ts";
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { Gate } from "../../src/reptyr/gate/gate.ts";
import { signalRelayed } from "../../src/reptyr/serve/signal_relay.ts";
import type { Authority } from "../../src/reptyr/gate/record_holder.ts";
import { type Child, childrenOf, ProcessHandle } from "../support/child.ts";
import { startDetached, switchesOf } from "../support/input_run.ts";
import { waitUntil } from "../support/terminal.ts";
import { untilBlocked } from "../support/victim.ts";
import { identityOf } from "../../src/proc/process_identity.ts";

/** The PID namespace that the kernel begins with. */
const MACHINE = "pid:[4026531836]";

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

function assertClosed(gate: Gate, child: Child, name = identityOf(child.pid)): void {
  assertLeftAlone(child, () => {
    assertEquals(gate.signal(name, SIGTERM), false);
    assertThrows(() => gate.seize(name, OPTIONS), RefusedError, "is no part of the job");
    assertThrows(() => gate.ask(name, OPTIONS), RefusedError, "is no part of the job");
  });
}

/** Of a process that may do nothing. */
const FORBIDDING: Authority = { isOurs: false, maySignal: () => false, mayTrace: () => false };

function assertForbidden(gate: Gate, child: Child, name = identityOf(child.pid)): void {
  assertLeftAlone(child, () => {
    assertEquals(gate.signal(name, SIGTERM), false);
    assertThrows(() => gate.seize(name, OPTIONS), RefusedError, "which may not trace it");
    assertThrows(() => gate.ask(name, OPTIONS), RefusedError, "which may not trace it");
  });
}

describe("the gate", () => {
  it("lets signals through to an admitted process", () => {
    using child = sleeper();
    const gate = new Gate([identityOf(child.pid)]);
    {
      using tracee = gate.seize(identityOf(child.pid), OPTIONS);
      assertNotEquals(readStatus(child.pid)?.tracerPid, 0);
      assertEquals(tracee.pid, child.pid);
    }
    assertEquals(readStatus(child.pid)?.tracerPid, 0);
    assertEquals(gate.signal(identityOf(child.pid), SIGTERM), true);
    assert(child.handle.waitForEnd(20_000));
    assertEquals(child.status, { kind: "signaled", signal: SIGTERM });
  });

  it("lets nothing through to other processes", () => {
    using child = sleeper();
    using other = sleeper();
    assertClosed(new Gate(), child);
    assertClosed(new Gate([identityOf(other.pid)]), child);
  });

  it("identifies a process by PID and start time, not by PID alone", () => {
    using child = sleeper();
    const { pid, startTime } = identityOf(child.pid);
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

  it("admits no process that was barred before", () => {
    using child = sleeper();
    const gate = new Gate();
    gate.bar([identityOf(child.pid)]);
    gate.admit([identityOf(child.pid)]);
    assertClosed(gate, child);
  });

  it("asks the authority that first admitted a process, however it is found later", () => {
    using child = sleeper();
    const gate = new Gate();
    gate.admit([identityOf(child.pid)], FORBIDDING);
    gate.admit([identityOf(child.pid)]);
    assertForbidden(gate, child);
  });

  it("asks the authority of the parent about new children", () => {
    for (const isForbidden of [true, false]) {
      using parent = startDetached(["sh", "-c", "sleep 1000 & wait"]);
      const pid = waitUntil(
        "sleep",
        () => childrenOf(parent.pid).find((pid) => readStat(pid)?.comm === "sleep"),
      );
      using child = new ProcessHandle(pid);
      untilBlocked(pid);
      const gate = new Gate();
      gate.admit([identityOf(parent.pid)], isForbidden ? FORBIDDING : undefined);
      const { session, pgrp } = readStat(pid)!;
      signalRelayed({
        target: Deno.pid,
        relayed: { groups: [{ session, pgrp }], processes: [] },
        gate,
        usesTerminal: () => false,
      }, SIGTERM);
      assert(gate.admits(identityOf(pid)));
      if (!isForbidden) {
        assert(child.waitForEnd(20_000));
        continue;
      }
      assertEquals(gate.signal(identityOf(pid), SIGTERM), false);
      assert(!child.ended && !parent.handle.ended);
      child.end();
    }
  });

  it("never admits the init of this machine", () => {
    const isMachine = Deno.readLinkSync("/proc/self/ns/pid") === MACHINE;
    assertEquals(new Gate([identityOf(1)]).admits(identityOf(1)), !isMachine);
  });
});

describe("isMachineInit", () => {
  const OTHER = "pid:[4026532468]";
  const table: [string, number, string | undefined, string | undefined, boolean][] = [
    ["the machine's", 1, MACHINE, MACHINE, true],
    ["the machine's, seen from below", 1, MACHINE, OTHER, true],
    ["a container's", 1, OTHER, OTHER, false],
    ["one that we may not look at, in the machine's namespace", 1, undefined, MACHINE, true],
    ["one that we may not look at, in another", 1, undefined, OTHER, false],
    ["that of a kernel without namespaces", 1, undefined, undefined, true],
    ["another process", 2, MACHINE, MACHINE, false],
  ];
  for (const [what, pid, first, own, wanted] of table) {
    it(`knows ${what}`, () =>
      assertEquals(isMachineInit(pid, (one) => one === 1 ? first : own), wanted));
  }
});
