/** 32-bit programs, traced by the 64-bit executable. What is the same for both is tested with both. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { ourFd } from "../../src/brands.ts";
import { i386, USER_REGS } from "../../src/arch/i386.ts";
import { RefusedError } from "../../src/errors.ts";
import {
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  PROT_READ,
  PROT_WRITE,
  SIG_DFL,
  SIG_IGN,
  SIGHUP,
} from "../../src/ffi/constants.ts";
import { ERRNO } from "../../src/ffi/errno.ts";
import { kill, pidfdOpen } from "../../src/ffi/process.ts";
import { close } from "../../src/ffi/descriptor.ts";
import { readFds } from "../../src/proc/fds.ts";
import { readMaps } from "../../src/proc/maps.ts";
import { readStatus } from "../../src/proc/status.ts";
import { sendFds } from "../../src/reptyr/move/descriptors/send_fds.ts";
import { withPgrpHolder } from "../../src/reptyr/move/session/pgrp_holder.ts";
import {
  discardPending,
  getAction,
  handlerOf,
  setAction,
  setHandler,
} from "../../src/reptyr/move/session/signal_action.ts";
import { Struct } from "../../src/struct.ts";
import { getRegisters } from "../../src/tracee/ptrace.ts";
import { readMemory } from "../../src/tracee/remote_memory.ts";
import { RemoteSyscalls } from "../../src/tracee/remote_syscalls.ts";
import { SCRATCH_SIZE } from "../../src/tracee/sigframe_stack.ts";
import { findSyscallInstruction } from "../../src/tracee/syscall_instruction.ts";
import { runToCompletion } from "../../src/tracee/steps.ts";
import { Tracee } from "../../src/tracee/tracee.ts";
import { testBlockedCalls } from "../support/blocked_calls.ts";
import { requires32 } from "../support/capabilities.ts";
import { assertNothingLeft, snapshot } from "../support/leftovers.ts";
import { FLAGS_32 } from "../support/programs.ts";
import type { Terminal } from "../support/terminal.ts";
import { waitUntil } from "../support/terminal.ts";
import { startVictim, untilAllBlocked, untilThreadsRun } from "../support/victim.ts";

const OPTIONS = { timeoutSeconds: 10 };
const SIGUSR1 = 10;

function start32(name: string, args: readonly (string | number)[] = []): Terminal {
  return startVictim(name, args, { flags: FLAGS_32 });
}

testBlockedCalls({
  test: requires32(),
  flags: FLAGS_32,
  of: "of a 32-bit program ",
  more: [
    ["recvfrom-timeout", 1],
    ["semtimedop_time64", 0],
    ["rt_sigtimedwait_time64", 12],
  ],
});

describe("a 32-bit process", () => {
  const test = requires32();

  test("maps memory at addresses with the highest bit set, which is no error", () => {
    using victim = start32("command");
    untilAllBlocked(victim.pid);
    const before = snapshot(victim.pid);
    {
      using tracee = Tracee.seize(victim.pid, OPTIONS);
      assertEquals(tracee.arch.name, "i386");
      using remote = RemoteSyscalls.begin(tracee);
      const access = PROT_READ | PROT_WRITE;
      const flags = MAP_PRIVATE | MAP_ANONYMOUS;
      const mapped = remote.syscallOrThrow("mmap", 0, SCRATCH_SIZE, access, flags, -1, 0);
      const { scratch } = remote;
      for (const address of [mapped, scratch]) {
        assert(address > 0x7fff_ffffn && address <= 0xffff_ffffn, `0x${address.toString(16)}`);
        assert(readMaps(victim.pid)!.some(({ start, end }) => start <= address && address < end));
      }
      assertEquals(remote.syscallOrThrow("munmap", mapped, SCRATCH_SIZE), 0n);
      const bytes = Uint8Array.from({ length: SCRATCH_SIZE }, (_, index) => index * 7);
      remote.write(bytes);
      assertEquals(remote.read(SCRATCH_SIZE), bytes);
      assertEquals(remote.syscall("close", 999), BigInt(-ERRNO.EBADF));
      // The victim leads its session.
      assertEquals(remote.syscall("setsid"), BigInt(-ERRNO.EPERM));
    }
    assertNothingLeft(before);
    victim.line("hello");
    victim.expect("line: hello");
  });

  for (const way of ["int80", "vdso"]) {
    test(`is in its call again, with all registers: entered by ${way}`, () => {
      using victim = start32("entry_i386", [way]);
      untilAllBlocked(victim.pid);
      const before = snapshot(victim.pid);
      for (let i = 0; i < 3; i++) {
        using tracee = Tracee.seize(victim.pid, OPTIONS);
        const eip = new Struct(USER_REGS, getRegisters(victim.pid)).get("eip");
        // Behind the call's own instruction; in the vdso that is INT 0x80, however the kernel was entered.
        assertEquals(readMemory(victim.pid, BigInt(eip) - 2n, 2), Uint8Array.of(0xcd, 0x80));
        const vdso = readMaps(victim.pid)!.find(({ path }) => path === "[vdso]")!;
        assertEquals(BigInt(eip) >= vdso.start && BigInt(eip) < vdso.end, way === "vdso");
        using remote = RemoteSyscalls.begin(tracee);
        assertEquals(remote.syscallOrThrow("getpid"), BigInt(victim.pid));
        assert(remote.scratch !== 0n);
      }
      assertNothingLeft(before);
      victim.line("12345");
      victim.expect("read 6 kept 1");
      victim.line("123");
      victim.expect("read 4 kept 1");
    });
  }

  test("keeps every register when it never enters the kernel", () => {
    using victim = start32("registers_i386");
    const before = snapshot(victim.pid);
    for (let i = 0; i < 50; i++) {
      using tracee = Tracee.seize(victim.pid, OPTIONS);
      using remote = RemoteSyscalls.begin(tracee);
      assertEquals(remote.syscallOrThrow("getpid"), BigInt(victim.pid));
      assert(remote.scratch !== 0n);
    }
    assertNothingLeft(before);
    kill(victim.pid, SIGUSR1);
    const rounds = Number(victim.expect(/rounds (\d+) corrupt 0\r/)[1]);
    // The check in progress when the last injection ended has come to its end, too.
    waitUntil("two more rounds", () => {
      kill(victim.pid, SIGUSR1);
      return Number(victim.expect(/rounds (\d+) corrupt 0\r/)[1]) >= rounds + 2;
    });
  });

  test("has all its threads stopped, and each continues its call", () => {
    using victim = start32("threads", ["blocked", 5]);
    untilAllBlocked(victim.pid);
    const before = snapshot(victim.pid);
    {
      using tracee = Tracee.seize(victim.pid, OPTIONS);
      assertEquals(tracee.tids.length, 6);
      using remote = RemoteSyscalls.begin(tracee);
      assertEquals(remote.syscallOrThrow("getpid"), BigInt(victim.pid));
    }
    assertNothingLeft(before);
    victim.line("wake");
    for (let i = 0; i < 5; i++) victim.expect(/thread \d read 1/);
    victim.line("count");
    victim.expect("count 5");
  });

  test("is stopped again and again with busy threads", () => {
    using victim = start32("threads", ["busy", 2]);
    untilThreadsRun(victim.pid);
    const before = snapshot(victim.pid);
    for (let i = 0; i < 25; i++) {
      using tracee = Tracee.seize(victim.pid, OPTIONS);
      using remote = RemoteSyscalls.begin(tracee);
      assertEquals(remote.syscallOrThrow("getpid"), BigInt(victim.pid));
    }
    assertNothingLeft(before);
    victim.line("count");
    const first = Number(victim.expect(/count (-?\d+)/)[1]);
    waitUntil("the threads to count on", () => {
      victim.line("count");
      return Number(victim.expect(/count (-?\d+)/)[1]) !== first;
    });
  });

  test("receives descriptors, also more than fit into one message", () => {
    using victim = start32("command");
    untilAllBlocked(victim.pid);
    const before = snapshot(victim.pid);
    using cleanup = new DisposableStack();
    const pidfd = pidfdOpen(victim.pid);
    cleanup.defer(() => close(pidfd));
    {
      using tracee = Tracee.seize(victim.pid, OPTIONS);
      using remote = RemoteSyscalls.begin(tracee);
      for (const count of [1, 2, 3, 260]) {
        const sent = Array(count).fill(ourFd(victim.master));
        const received = runToCompletion(sendFds(remote, ourFd(pidfd), sent));
        assertEquals(received.length, count);
        const masters = readFds(victim.pid, victim.pid)!.filter(({ fdinfo }) =>
          fdinfo.ttyIndex !== undefined
        );
        assertEquals(masters.map(({ fd }) => fd), received.toSorted((a, b) => a - b));
        for (const fd of received) remote.syscallOrThrow("close", fd);
      }
    }
    assertNothingLeft(before);
  });

  test("has its signal actions replaced and restored, whole", () => {
    using victim = start32("command");
    untilAllBlocked(victim.pid);
    const ignored = () => (readStatus(victim.pid)!.sigIgnored & 1n) !== 0n;
    const before = snapshot(victim.pid);
    {
      using tracee = Tracee.seize(victim.pid, OPTIONS);
      using remote = RemoteSyscalls.begin(tracee);
      const action = runToCompletion(getAction(remote, SIGHUP));
      assertEquals(action.length, 20);
      assertEquals(handlerOf(remote, action), SIG_DFL);
      runToCompletion(setHandler(remote, SIGHUP, SIG_IGN));
      assert(ignored());
      assertEquals(handlerOf(remote, runToCompletion(getAction(remote, SIGHUP))), SIG_IGN);
      runToCompletion(setAction(remote, SIGHUP, action));
      assert(!ignored());
      assertEquals(runToCompletion(getAction(remote, SIGHUP)), action);
    }
    assertNothingLeft(before);
  });

  test("has its own signal handler again, which runs", () => {
    using victim = start32("registers_i386");
    {
      using tracee = Tracee.seize(victim.pid, OPTIONS);
      using remote = RemoteSyscalls.begin(tracee);
      runToCompletion(discardPending(remote, SIGUSR1));
    }
    kill(victim.pid, SIGUSR1);
    victim.expect(/rounds \d+ corrupt 0\r/);
  });

  test("forks a process group holder, which leaves no trace", () => {
    using victim = start32("command");
    untilAllBlocked(victim.pid);
    const before = snapshot(victim.pid);
    {
      using tracee = Tracee.seize(victim.pid, OPTIONS);
      using remote = RemoteSyscalls.begin(tracee);
      let group: bigint | undefined;
      withPgrpHolder(remote, (child) => {
        remote.syscallOrThrow("setpgid", child, child);
        group = child;
      });
      assert(group !== undefined && group > 0n);
    }
    assertNothingLeft(before);
    victim.line("hello");
    victim.expect("line: hello");
  });

  test("makes no calls at addresses that its registers cannot hold", () => {
    using victim = startVictim("command", [], { flags: ["-pie", "-fPIE"] });
    const { pid } = victim;
    assert(readMaps(pid)!.every(({ end }) => end > 0xffff_ffffn));
    assertThrows(() => findSyscallInstruction(pid, pid, i386, 0n), RefusedError, "no system call");
    assert(findSyscallInstruction(pid, pid, { ...i386, addressBits: 64 }, 0n) > 0xffff_ffffn);
  });
});
