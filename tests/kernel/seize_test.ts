import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { TraceeDiedError } from "../../src/errors.ts";
import { SIGCONT, SIGKILL, SIGSTOP } from "../../src/ffi/constants.ts";
import { kill } from "../../src/ffi/process.ts";
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { listTids } from "../../src/proc/tasks.ts";
import { readMemory } from "../../src/tracee/remote_memory.ts";
import { RemoteSyscalls } from "../../src/tracee/remote_syscalls.ts";
import { Tracee } from "../../src/tracee/tracee.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { assertNothingLeft, snapshot } from "../support/leftovers.ts";
import { requiresCompiler } from "../support/programs.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";
import {
  startVictim,
  untilAllBlocked,
  untilBlocked,
  untilLeaderEnded,
  untilState,
} from "../support/victim.ts";

const OPTIONS = { timeoutSeconds: 10 };

/** Address of the counter that all threads of `victim` count on in. */
function counterOf(victim: Terminal): () => bigint {
  const address = BigInt(/counter (0x[0-9a-f]+)/.exec(victim.output)![1]!);
  return () => new DataView(readMemory(victim.pid, address, 8).buffer).getBigUint64(0, true);
}

/** Reads often enough that a thread which ran would be seen. */
function assertStandsStill(counter: () => bigint): bigint {
  const first = counter();
  for (let i = 0; i < 2000; i++) assertEquals(counter(), first);
  return first;
}

describe("Tracee.seize", () => {
  requiresCompiler("stops every thread, and each continues its call", () => {
    using victim = startVictim("threads", ["blocked", 5]);
    untilAllBlocked(victim.pid);
    const before = snapshot(victim.pid);
    {
      using tracee = Tracee.seize(victim.pid, OPTIONS);
      assertEquals([...tracee.tids].sort(), listTids(victim.pid)!.sort());
      assertEquals(tracee.tids.length, 6);
      assertEquals(tracee.mainTid, victim.pid);
      assert(!tracee.wasJobStopped);
      for (const tid of tracee.tids) assertEquals(readStat(victim.pid, tid)?.state, "t");
    }
    assertNothingLeft(before);
    victim.line("wake");
    for (let i = 0; i < 5; i++) victim.expect(/thread \d read 1/);
    victim.line("count");
    victim.expect("count 5");
  });

  requiresCompiler("stops threads while others start and end", () => {
    using victim = startVictim("threads", ["births", 1]);
    const counter = counterOf(victim);
    const before = snapshot(victim.pid, { threads: false, mappings: "named" });
    for (let i = 0; i < 25; i++) {
      let stood: bigint;
      {
        using tracee = Tracee.seize(victim.pid, OPTIONS);
        for (const tid of listTids(victim.pid)!) {
          // One that exited before it could be stopped is dead, or is gone by now.
          assertMatch(readStat(victim.pid, tid)?.state ?? "X", /^[tZX]$/);
        }
        assert(tracee.tids.length >= 2);
        stood = assertStandsStill(counter);
      }
      waitUntil("threads to be born again", () => counter() > stood);
    }
    assertNothingLeft(before);
  });

  requiresCompiler("stops threads that never enter the kernel", () => {
    using victim = startVictim("threads", ["busy", 3]);
    const counter = counterOf(victim);
    waitUntil("the threads to run", () =>
      // The C library blocks all signals while a thread begins.
      listTids(victim.pid)?.every((tid) => readStatus(victim.pid, tid)?.sigBlocked === 0n));
    const before = snapshot(victim.pid);
    let stood: bigint;
    {
      using _tracee = Tracee.seize(victim.pid, OPTIONS);
      stood = assertStandsStill(counter);
    }
    waitUntil("the threads to go on", () => counter() > stood);
    assertNothingLeft(before);
  });

  requiresCompiler("leaves a stopped process stopped, in its call", () => {
    using victim = startVictim("command");
    untilBlocked(victim.pid);
    kill(victim.pid, SIGSTOP);
    untilState(victim.pid, "T");
    const before = snapshot(victim.pid);
    for (let i = 0; i < 3; i++) {
      using tracee = Tracee.seize(victim.pid, OPTIONS);
      assert(tracee.wasJobStopped);
      using remote = RemoteSyscalls.begin(tracee);
      assertEquals(remote.syscallOrThrow("getpid"), BigInt(victim.pid));
    }
    assertNothingLeft(before);
    assertEquals(readStat(victim.pid)?.state, "T");
    victim.line("typed while stopped");
    kill(victim.pid, SIGCONT);
    victim.expect("line: typed while stopped");
  });

  requiresCompiler("works on a process whose first thread has exited", () => {
    using victim = startVictim("command", ["leader-exited"]);
    untilLeaderEnded(victim.pid);
    const other = listTids(victim.pid)!.find((tid) => tid !== victim.pid)!;
    untilBlocked(victim.pid, other);
    const before = snapshot(victim.pid);
    {
      using tracee = Tracee.seize(victim.pid, OPTIONS);
      assertEquals([tracee.mainTid, tracee.tids], [other, [other]]);
      using remote = RemoteSyscalls.begin(tracee);
      assertEquals(remote.syscallOrThrow("getpid"), BigInt(victim.pid));
      assertEquals(remote.write(Uint8Array.of(1)), remote.scratch);
    }
    assertNothingLeft(before);
    victim.line("hello");
    victim.expect("line: hello");
  });

  requiresCompiler("gives up on a process in uninterruptible sleep, and does it no harm", () => {
    using victim = startVictim("vfork");
    untilState(victim.pid, "D");
    const before = snapshot(victim.pid);
    const { stdout, success } = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        `${import.meta.dirname}/../support/seize_once.ts`,
        `${victim.pid}`,
        "0.2",
      ],
      stderr: "inherit",
    }).outputSync();
    assert(success);
    assertMatch(
      new TextDecoder().decode(stdout),
      new RegExp(
        `^StopTimeoutError: Cannot stop process ${victim.pid}: thread ${victim.pid} is in state D`,
      ),
    );
    assertNothingLeft(before);
    victim.line("let the child end");
    victim.expect("vfork returned a child");
    victim.line("hello");
    victim.expect("line: hello");
  });

  requiresCompiler("says that a process is gone", () => {
    using victim = startVictim("command");
    const { pid } = victim;
    victim.line("exit 0");
    victim.expectExit();
    assertThrows(() => Tracee.seize(pid, OPTIONS), TraceeDiedError);
  });
});

describe("a tracee that is killed", () => {
  const DEAD = { kind: "reaped by its tracer" } as const;

  requiresCompiler("is released without an error", () => {
    using victim = startVictim("threads", ["blocked", 3]);
    untilAllBlocked(victim.pid);
    {
      using _tracee = Tracee.seize(victim.pid, OPTIONS);
      kill(victim.pid, SIGKILL);
    }
    assertEquals(victim.expectExit(), DEAD);
  });

  requiresCompiler("differs from a tracee that refuses, before the first injected call", () => {
    using victim = startVictim("threads", ["blocked", 3]);
    untilAllBlocked(victim.pid);
    {
      using tracee = Tracee.seize(victim.pid, OPTIONS);
      kill(victim.pid, SIGKILL);
      untilState(victim.pid, "Z");
      assertThrows(() => RemoteSyscalls.begin(tracee), TraceeDiedError);
    }
    assertEquals(victim.expectExit(), DEAD);
  });

  for (const threads of [0, 3]) {
    requiresCompiler(`ends an injection with ${threads} threads besides the first`, () => {
      using victim = startVictim("threads", ["blocked", threads]);
      untilAllBlocked(victim.pid);
      const error = assertThrows(() => {
        using tracee = Tracee.seize(victim.pid, OPTIONS);
        using remote = RemoteSyscalls.begin(tracee);
        assert(remote.scratch > 0n);
        kill(victim.pid, SIGKILL);
        for (let i = 0; i < 1000; i++) remote.syscall("getpid");
      }, TraceeDiedError);
      assertEquals(error.pid, victim.pid);
      assertEquals(victim.expectExit(), DEAD);
    });
  }

  requiresCompiler("is noticed when the injection restores the registers", () => {
    using victim = startVictim("threads", ["blocked", 3]);
    untilAllBlocked(victim.pid);
    {
      using tracee = Tracee.seize(victim.pid, OPTIONS);
      using remote = RemoteSyscalls.begin(tracee);
      assertEquals(remote.syscallOrThrow("getpid"), BigInt(victim.pid));
      kill(victim.pid, SIGKILL);
    }
    assertEquals(victim.expectExit(), DEAD);
  });

  requiresCapability("seccomp", requiresCompiler)("by its own filter ends the injection", () => {
    using victim = startVictim("command", ["seccomp-kill"]);
    untilBlocked(victim.pid);
    {
      using tracee = Tracee.seize(victim.pid, { ...OPTIONS, suspendsFilter: false });
      using remote = RemoteSyscalls.begin(tracee);
      // The call is not made, and its result means nothing: the process ends when it would go on.
      remote.syscall("setsid");
      assertThrows(() => remote.syscall("getpid"), TraceeDiedError);
    }
    assertEquals(victim.expectExit(), DEAD);
  });
});
