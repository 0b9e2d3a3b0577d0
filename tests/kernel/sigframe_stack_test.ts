/** What a thread does by itself that is let go with registers of ours: as when this program is killed. */
import { assert, assertEquals } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { F_DUPFD_CLOEXEC, SIGHUP } from "../../src/ffi/constants.ts";
import { kill } from "../../src/ffi/process.ts";
import { readFds } from "../../src/proc/fds.ts";
import { readMaps } from "../../src/proc/maps.ts";
import { readStatus } from "../../src/proc/status.ts";
import { getFurtherRegisters, setFurtherRegisters } from "../../src/tracee/ptrace.ts";
import { canPointTo } from "../../src/tracee/return_sites.ts";
import { exchangeAction, ignoring } from "../../src/reptyr/move/session/signal_action.ts";
import { RemoteSyscalls } from "../../src/tracee/remote_syscalls.ts";
import { runToCompletion } from "../../src/tracee/steps.ts";
import { Tracee } from "../../src/tracee/tracee.ts";
import { i386 } from "../../src/arch/i386.ts";
import { x86_64 } from "../../src/arch/x86_64.ts";
import { requires32 } from "../support/capabilities.ts";
import { assertNothingLeft, snapshot } from "../support/leftovers.ts";
import { FLAGS_32, isX86_64, requiresCompilerAnd } from "../support/programs.ts";
import { waitUntil } from "../support/terminal.ts";
import { startVictim, untilAllBlocked } from "../support/victim.ts";

const OPTIONS = { timeoutSeconds: 10 };
const SIGUSR1 = 10;
const HIGH_FD = 20;

/** Let something happen in the name of process `pid` and leave all the rest to it. */
function leaveToSigframesAfter(
  pid: number,
  action: (remote: RemoteSyscalls) => void,
  first: () => void = () => {},
): void {
  using tracee = Tracee.seize(pid, OPTIONS);
  first();
  const remote = RemoteSyscalls.begin(tracee);
  assert(remote.hasSigframes, "no safety net");
  action(remote);
  remote.leaveToSigframes();
}

/** Open one more descriptor, which is to be closed if nobody does it. */
function openOne(remote: RemoteSyscalls): void {
  remote.pushUndoFrame("close", [HIGH_FD]);
  assertEquals(remote.syscallOrThrow("fcntl", 0, F_DUPFD_CLOEXEC, HIGH_FD), BigInt(HIGH_FD));
}

/**
 * The set of the process with all registers of x87, SSE and AVX in use that a 32-bit program has: Intel's manual, volume
 * 1, "XSAVE Area".
 */
function vectorRegisters(pid: number): Uint8Array<ArrayBuffer> {
  using _ = Tracee.seize(pid, OPTIONS);
  const set = getFurtherRegisters(pid, "NT_X86_XSTATE");
  assert(set !== undefined, "no XSAVE");
  const view = new DataView(set.buffer);
  const [control, status, tags, stack, sse, features, used, avx] = [
    0,
    2,
    4,
    32,
    160,
    464,
    512,
    576,
  ];
  view.setUint16(control, 0x0b7f, true);
  view.setUint16(status, 0x2800, true);
  view.setUint8(tags, 0b1110_1010);
  const fill = (from: number, length: number) => {
    for (let at = from; at < from + length; at++) view.setUint8(at, at * 7 + 1);
  };
  for (let index = 0; index < 8; index++) fill(stack + index * 16, 10);
  fill(sse, 8 * 16);
  const hasAvx = (view.getBigUint64(features, true) & 4n) !== 0n;
  if (hasAvx) fill(avx, 8 * 16);
  view.setBigUint64(used, view.getBigUint64(used, true) | (hasAvx ? 7n : 3n), true);
  return set;
}

function hasHighFd(pid: number): boolean {
  return readFds(pid, pid)!.some(({ fd }) => fd === HIGH_FD);
}

const onX86_64 = requiresCompilerAnd(isX86_64, "the victim knows the registers of x86_64 only");

for (
  const [bits, registers, flags] of [
    [64, "registers", []],
    [32, "registers_i386", FLAGS_32],
  ] as const
) {
  const test = bits === 32 ? requires32() : onX86_64;
  describe(`a ${bits}-bit process that is released with our registers`, () => {
    test("has its own registers again, and undoes our changes", () => {
      using victim = startVictim(registers, [], { flags });
      const { pid } = victim;
      const before = snapshot(pid);
      for (let i = 0; i < 30; i++) {
        leaveToSigframesAfter(pid, (remote) => {
          openOne(remote);
          assert(hasHighFd(pid));
        });
        assert(!hasHighFd(pid));
      }
      assertNothingLeft(before);
      kill(pid, SIGUSR1);
      const rounds = Number(victim.expect(/rounds (\d+) corrupt 0\r/)[1]);
      // The check in progress when it was last let go has come to its end, too.
      waitUntil("two more rounds", () => {
        kill(pid, SIGUSR1);
        return Number(victim.expect(/rounds (\d+) corrupt 0\r/)[1]) >= rounds + 2;
      });
    });

    test("has its own vector registers again", () => {
      using victim = startVictim("command", [], { flags });
      const { pid } = victim;
      untilAllBlocked(pid);
      const before = snapshot(pid);
      const set = vectorRegisters(pid);
      leaveToSigframesAfter(pid, () => {}, () => setFurtherRegisters(pid, "NT_X86_XSTATE", set));
      leaveToSigframesAfter(pid, openOne, () => {
        assertEquals(getFurtherRegisters(pid, "NT_X86_XSTATE"), set);
      });
      {
        using _ = Tracee.seize(pid, OPTIONS);
        assertEquals(getFurtherRegisters(pid, "NT_X86_XSTATE"), set);
      }
      assertNothingLeft(before);
      victim.line("hello");
      victim.expect("line: hello");
    });

    test("continues its call", () => {
      for (const [call, ...time] of [["read"], ["poll"], ["futex"], ["nanosleep", 200]] as const) {
        using victim = startVictim("blocked", [call, ...time], { flags });
        const { pid } = victim;
        untilAllBlocked(pid);
        const before = snapshot(pid);
        leaveToSigframesAfter(pid, openOne);
        assertNothingLeft(before);
        if (time.length === 0) victim.line("go");
        victim.expect(/result=[01] errno=0 handled=0/);
      }
    });

    test("handles a signal as before, in the order of the undo frames", () => {
      using victim = startVictim("command", [], { flags });
      const { pid } = victim;
      untilAllBlocked(pid);
      const before = snapshot(pid);
      const isIgnored = () => (readStatus(pid)!.sigIgnored & 1n << BigInt(SIGHUP - 1)) !== 0n;
      leaveToSigframesAfter(pid, (remote) => {
        openOne(remote);
        runToCompletion(exchangeAction(remote, SIGHUP, ignoring(remote)));
        assert(isIgnored());
        remote.syscallOrThrow("getpid");
      });
      assertNothingLeft(before);
      victim.line("hello");
      victim.expect("line: hello");
    });
  });
}

for (const [bits, flags] of [[64, []], [32, FLAGS_32]] as const) {
  describe(`a ${bits}-bit process without a sigframe stack`, () => {
    const test = bits === 32 ? requires32() : onX86_64;
    test("because it has left its stack: calls are made, and nothing stays", () => {
      using victim = startVictim("stackless", [], { flags });
      const { pid } = victim;
      untilAllBlocked(pid);
      assertEquals(readMaps(pid)!.filter(({ path }) => path === "[stack]"), []);
      const before = snapshot(pid);
      for (let i = 0; i < 3; i++) {
        using tracee = Tracee.seize(pid, OPTIONS);
        using remote = RemoteSyscalls.begin(tracee);
        assert(!remote.hasSigframes);
        assertEquals(remote.pushUndoFrame("close", [HIGH_FD]), undefined);
        assertEquals(remote.syscallOrThrow("getpid"), BigInt(pid));
        remote.write(Uint8Array.of(1, 2, 3));
        assertEquals(remote.read(3), Uint8Array.of(1, 2, 3));
      }
      assertNothingLeft(before);
      victim.line("hello");
      victim.expect("line: hello");
    });
  });
}

describe("a 32-bit process that is released with our registers", () => {
  const test = requires32();
  for (const way of ["int80", "vdso"]) {
    test(`is in its call again, with all registers: entered by ${way}`, () => {
      using victim = startVictim("entry_i386", [way], { flags: FLAGS_32 });
      untilAllBlocked(victim.pid);
      const before = snapshot(victim.pid);
      for (let i = 0; i < 3; i++) leaveToSigframesAfter(victim.pid, openOne);
      assertNothingLeft(before);
      for (const text of ["12345", "123"]) {
        victim.line(text);
        victim.expect(`read ${text.length + 1} kept 1`);
      }
    });
  }

  test("uses only addresses that its registers can hold", () => {
    using wide = startVictim("command");
    using narrow = startVictim("command", [], { flags: FLAGS_32 });
    const [wideMaps, narrowMaps] = [readMaps(wide.pid)!, readMaps(narrow.pid)!];
    assert(!canPointTo(i386, wideMaps) && canPointTo(x86_64, wideMaps));
    assert(canPointTo(i386, narrowMaps) && canPointTo(x86_64, narrowMaps));
  });
});
