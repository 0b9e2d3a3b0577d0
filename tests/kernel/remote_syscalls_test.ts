import { assert, assertEquals, assertMatch, assertNotEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RemoteSyscallError } from "../../src/errors.ts";
import { x86_64 } from "../../src/arch/x86_64.ts";
import { F_GETFL } from "../../src/ffi/constants.ts";
import { ERRNO } from "../../src/ffi/errno.ts";
import { kill } from "../../src/ffi/process.ts";
import { readMaps } from "../../src/proc/maps.ts";
import { readStatus } from "../../src/proc/status.ts";
import { getRegisters } from "../../src/tracee/ptrace.ts";
import { readMemory, writeMemory } from "../../src/tracee/remote_memory.ts";
import { RemoteSyscalls } from "../../src/tracee/remote_syscalls.ts";
import { SCRATCH_SIZE } from "../../src/tracee/sigframe_stack.ts";
import { findInstruction } from "../../src/tracee/syscall_instruction.ts";
import { Tracee } from "../../src/tracee/tracee.ts";
import { requires32, requiresCapability } from "../support/capabilities.ts";
import { assertNothingLeft, snapshot } from "../support/leftovers.ts";
import {
  FLAGS_32,
  isX86_64,
  REGISTERS_VICTIM,
  requiresCompiler,
  requiresCompilerAnd,
} from "../support/programs.ts";
import { waitUntil } from "../support/terminal.ts";
import { startVictim, untilBlocked } from "../support/victim.ts";

const SIGUSR1 = 10;
const OPTIONS = { timeoutSeconds: 10 };

describe("RemoteSyscalls", () => {
  requiresCompiler("returns the kernel's raw value, or throws the error that it means", () => {
    using victim = startVictim("command");
    untilBlocked(victim.pid);
    const before = snapshot(victim.pid);
    {
      using tracee = Tracee.seize(victim.pid, OPTIONS);
      using remote = RemoteSyscalls.begin(tracee);
      assertEquals(remote.syscall("getsid", 0), BigInt(victim.pid));
      assertEquals(remote.syscall("fcntl", 99, F_GETFL, 0), BigInt(-ERRNO.EBADF));
      const error = assertThrows(
        () => remote.syscallOrThrow("fcntl", 99, F_GETFL, 0),
        RemoteSyscallError,
      );
      assertEquals([error.pid, error.code], [victim.pid, "EBADF"]);
      assertMatch(error.message, /^fcntl\(99, 3, 0\) in process \d+ failed: bad file descriptor/);
      // The victim leads its session.
      assertEquals(remote.syscall("setsid"), BigInt(-ERRNO.EPERM));
    }
    assertNothingLeft(before);
  });

  requiresCompiler("passes results and arguments in their whole width", () => {
    using victim = startVictim("command");
    untilBlocked(victim.pid);
    {
      using tracee = Tracee.seize(victim.pid, OPTIONS);
      using remote = RemoteSyscalls.begin(tracee);
      const { scratch } = remote;
      assert(scratch > 0xffff_ffffn, "a 64-bit address");
      const mapping = readMaps(victim.pid)!.find(({ start, end }) =>
        start <= scratch && scratch + BigInt(SCRATCH_SIZE) <= end
      );
      assert(mapping?.writable === true && !mapping.executable && !mapping.shared);
      const bytes = Uint8Array.from({ length: SCRATCH_SIZE }, (_, index) => index * 7);
      assertEquals(remote.write(bytes), scratch);
      assertEquals(remote.read(SCRATCH_SIZE), bytes);
      assertEquals(remote.write(Uint8Array.of(9), 100), scratch + 100n);
      assertEquals(remote.read(2, 99), Uint8Array.of(bytes[99]!, 9));
    }
    victim.line("hello");
    victim.expect("line: hello");
  });

  requiresCompiler("restores the stack that it used, whether calls were made or not", () => {
    using victim = startVictim("command");
    untilBlocked(victim.pid);
    const stack = readMaps(victim.pid)!.find(({ path }) => path === "[stack]")!;
    const read = () => readMemory(victim.pid, stack.start, Number(stack.end - stack.start));
    const before = read();
    for (const calls of [0, 1, 2]) {
      using tracee = Tracee.seize(victim.pid, OPTIONS);
      using remote = RemoteSyscalls.begin(tracee);
      if (remote.hasSigframes) {
        remote.write(new Uint8Array(SCRATCH_SIZE).fill(calls + 1));
        remote.pushUndoFrame("close", [99]);
        assertNotEquals(read(), before);
      }
      for (let call = 0; call < calls; call++) remote.syscallOrThrow("getpid");
      remote[Symbol.dispose]();
      assertEquals(read(), before);
    }
    victim.line("hello");
    victim.expect("line: hello");
  });

  requiresCompiler(
    "unmaps its memory and restores the signal mask when the scope throws",
    () => {
      using victim = startVictim("command", ["ignoring"]);
      untilBlocked(victim.pid);
      const before = snapshot(victim.pid);
      assertThrows(
        () => {
          using tracee = Tracee.seize(victim.pid, OPTIONS);
          using remote = RemoteSyscalls.begin(tracee);
          remote.write(Uint8Array.of(1));
          remote.syscallOrThrow("getpid");
          assert(
            readStatus(victim.pid)!.sigBlocked !== 1n << 11n,
            "all signals are blocked meanwhile",
          );
          throw new Error("on purpose");
        },
        Error,
        "on purpose",
      );
      assertNothingLeft(before);
      assertEquals(readStatus(victim.pid)?.sigBlocked, 1n << 11n);
      victim.line("hello");
      victim.expect("line: hello");
    },
  );

  requiresCompiler("can begin again in the same stop", () => {
    using victim = startVictim("blocked", ["nanosleep", 200]);
    untilBlocked(victim.pid);
    {
      using tracee = Tracee.seize(victim.pid, OPTIONS);
      for (let i = 0; i < 5; i++) {
        using remote = RemoteSyscalls.begin(tracee);
        assertEquals(remote.syscallOrThrow("getpid"), BigInt(victim.pid));
      }
    }
    victim.expect(/result=0 errno=0 handled=0/);
  });

  requiresCapability("seccomp", requiresCompiler)(
    "reports a call that a filter refuses, and the process lives on",
    () => {
      using victim = startVictim("command", ["seccomp-errno"]);
      untilBlocked(victim.pid);
      const before = snapshot(victim.pid);
      {
        using tracee = Tracee.seize(victim.pid, { ...OPTIONS, suspendsFilter: false });
        using remote = RemoteSyscalls.begin(tracee);
        assertEquals(remote.syscall("socketpair", 1, 2, 0, remote.scratch), BigInt(-ERRNO.EPERM));
      }
      assertNothingLeft(before);
      victim.line("hello");
      victim.expect("line: hello");
    },
  );

  requiresCompiler(
    "keeps every register and the red zone of a program that never enters the kernel",
    () => {
      using victim = startVictim(REGISTERS_VICTIM);
      const before = snapshot(victim.pid);
      for (let i = 0; i < 50; i++) {
        using tracee = Tracee.seize(victim.pid, OPTIONS);
        using remote = RemoteSyscalls.begin(tracee);
        assertEquals(remote.syscallOrThrow("getpid"), BigInt(victim.pid));
        assert(remote.scratch !== 0n);
        assertEquals(remote.syscall("close", 999), BigInt(-ERRNO.EBADF));
      }
      assertNothingLeft(before);
      kill(victim.pid, SIGUSR1);
      const rounds = Number(victim.expect(/rounds (\d+) corrupt 0\r/)[1]);
      // The check in progress when the last injection ended has come to its end, too.
      waitUntil("two more rounds", () => {
        kill(victim.pid, SIGUSR1);
        return Number(victim.expect(/rounds (\d+) corrupt 0\r/)[1]) >= rounds + 2;
      });
    },
  );

  const onX86_64 = requiresCompilerAnd(
    isX86_64,
    "the victim has its restartable sequence in x86 assembler",
  );
  for (const [bits, flags] of [[64, []], [32, FLAGS_32]] as const) {
    (flags === FLAGS_32 ? requires32() : onX86_64)(
      `lets a restartable sequence of ${bits} bits start again, as after any preemption`,
      () => {
        using victim = startVictim("rseq", [], { flags });
        const found = /token (0x[0-9a-f]+) section (0x[0-9a-f]+) (0x[0-9a-f]+)/.exec(
          victim.output,
        )!;
        const [token, start, end] = found.slice(1).map(BigInt) as [bigint, bigint, bigint];
        const before = snapshot(victim.pid);
        let within = 0;
        for (let value = 2n; within < 20; value++) {
          using tracee = Tracee.seize(victim.pid, OPTIONS);
          const at = tracee.arch.instructionPointer(getRegisters(victim.pid));
          if (at > start && at < end) within++;
          {
            using remote = RemoteSyscalls.begin(tracee);
            assertEquals(remote.syscallOrThrow("getpid"), BigInt(victim.pid));
          }
          // What another thread on the same processor might have done.
          writeMemory(victim.pid, token, new Uint8Array(BigUint64Array.of(value).buffer));
          assertEquals(
            new BigUint64Array(readMemory(victim.pid, token, 8).buffer)[0],
            value,
          );
        }
        assertNothingLeft(before);
        waitUntil("a commit after the last change", () => {
          kill(victim.pid, SIGUSR1);
          const [, commits, aborts, torn] = victim.expect(/commits (\d+) aborts (\d+) torn (\d+)/);
          assertEquals(torn, "0");
          return Number(commits) > 0 && Number(aborts) >= within;
        });
      },
    );
  }
});

describe("findInstruction", () => {
  const bytes = Uint8Array.of(0x0f, 0x0f, 0x05, 0x90, 0x0f, 0x05);

  it("finds the first syscall instruction, wherever it begins", () => {
    assertEquals(findInstruction(bytes, 0x1000n, x86_64, 0n), 0x1001n);
    assertEquals(findInstruction(bytes.subarray(0, 2), 0x1000n, x86_64, 0n), undefined);
  });

  it("skips the instruction at which a thread is parked", () => {
    assertEquals(findInstruction(bytes, 0x1000n, x86_64, 0x1001n), 0x1004n);
    assertEquals(findInstruction(bytes.subarray(0, 3), 0x1000n, x86_64, 0x1001n), undefined);
  });

  it("skips addresses that are not aligned as the architecture requires", () => {
    const aligned = { ...x86_64, instructionAlignment: 4 };
    assertEquals(findInstruction(bytes, 0x1000n, aligned, 0n), 0x1004n);
  });
});
