/** Calls that a victim blocks in while it is stopped and worked on: they must go on as if nothing was. */
import { assert, assertEquals } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { ERRNO } from "../../src/ffi/errno.ts";
import { kill } from "../../src/ffi/process.ts";
import { isLive, readStat } from "../../src/proc/stat.ts";
import { RemoteSyscalls } from "../../src/tracee/remote_syscalls.ts";
import { Tracee } from "../../src/tracee/tracee.ts";
import { assertNothingLeft, snapshot } from "./leftovers.ts";
import type { requiresCompiler } from "./programs.ts";
import { PATIENCE, type Terminal } from "./terminal.ts";
import { startVictim, untilAllBlocked } from "./victim.ts";

const SIGUSR1 = 10;
const SIGUSR2 = 12;
const TIMES = 3;
/** So often that a thread is stopped at any point of its way back into its call, too. */
const MANY_TIMES = 50;

export type CallResult = readonly [call: string, result: number];

/** Calls, and what they return once the victim's waker has done its work. */
const WOKEN: readonly CallResult[] = [
  ["read", 1],
  ["read-timeout", 1],
  ["recv", 1],
  ["recv-timeout", 1],
  ["poll", 1],
  ["ppoll", 1],
  ["select", 1],
  ["epoll_wait", 1],
  ["epoll_pwait", 1],
  ["semop", 0],
  ["futex", 0],
  ["rt_sigtimedwait", SIGUSR2],
  ["wait4", 0],
];

/** Further calls that a handler without SA_RESTART interrupts, as it does those. */
const NEVER_WOKEN = [
  "pause",
  "sigsuspend",
  "nanosleep",
  "clock_nanosleep",
];

/** Calls that return by themselves when their time is over. */
const TIMED = ["nanosleep", "clock_nanosleep", "poll", "epoll_wait", "ppoll"];

/** These have the signal blocked but for the time of the call, and again after it. */
const OWN_MASK = new Set(["ppoll", "epoll_pwait", "sigsuspend"]);

const AN_HOUR_MS = 3_600_000;

interface Done {
  readonly result: number;
  readonly errno: string;
  readonly handled: number;
  readonly elapsedUs: number;
  readonly usr1Blocked: boolean;
}

function expectDone(terminal: Terminal): Done {
  const found = terminal.expect(
    /done \S+ result=(-?\d+) errno=(\w+) handled=(\d+) elapsed_us=(\d+) usr1_blocked=([01])/,
  );
  return {
    result: Number(found[1]),
    errno: found[2]!,
    handled: Number(found[3]),
    elapsedUs: Number(found[4]),
    usr1Blocked: found[5] === "1",
  };
}

/** Seize, make several calls there, use memory of it, and let go. */
function injectAndRelease(pid: number, meanwhile: () => void = () => {}): void {
  using tracee = Tracee.seize(pid, { timeoutSeconds: 10 });
  using remote = RemoteSyscalls.begin(tracee);
  assertEquals(remote.syscallOrThrow("getpid"), BigInt(pid));
  meanwhile();
  remote.write(Uint8Array.of(1, 2, 3), 8);
  assertEquals(remote.read(3, 8), Uint8Array.of(1, 2, 3));
  assertEquals(remote.syscall("close", 999), BigInt(-ERRNO.EBADF));
}

function seizeAndRelease(pid: number, meanwhile: () => void = () => {}): void {
  using _tracee = Tracee.seize(pid, { timeoutSeconds: 10 });
  meanwhile();
}

/** Whether the victim was in its call when it was disturbed; then nothing is left in it. */
function wasDisturbed(victim: Terminal, disturb: (pid: number) => void): boolean {
  try {
    untilAllBlocked(victim.pid);
    const before = snapshot(victim.pid);
    disturb(victim.pid);
    assertNothingLeft(before);
    return true;
  } catch (error) {
    const stat = readStat(victim.pid);
    if (stat === undefined || !isLive(stat)) return false;
    throw error;
  }
}

const WAYS = [["seized", seizeAndRelease], ["injected into", injectAndRelease]] as const;

export interface BlockedCallOptions {
  /** Where the victim can be compiled and run. */
  readonly test: typeof requiresCompiler;
  /** For the compiler. */
  readonly flags?: readonly string[];
  /** Of what program the calls are, for the tests' names: `of a 32-bit program `. */
  readonly of?: string;
  /** Calls that not every architecture has. */
  readonly more?: readonly CallResult[];
  /** Only these calls; all by default. */
  readonly only?: readonly string[];
}

/** Tests of all calls that tests/victims/blocked.c knows. */
export function testBlockedCalls(
  { test, flags = [], of = "", more = [], only }: BlockedCallOptions,
): void {
  const isWanted = (call: string) => only?.includes(call) ?? true;
  const woken = [...WOKEN, ...more].filter(([call]) => isWanted(call));
  for (const [way, disturb] of WAYS) {
    describe(`a system call ${of}whose process is ${way}`, () => {
      for (const [call, result] of woken) {
        test(`goes on: ${call}`, () => {
          using victim = startVictim("blocked", [call], { flags });
          untilAllBlocked(victim.pid);
          const before = snapshot(victim.pid);
          for (let i = 0; i < TIMES; i++) disturb(victim.pid);
          assertNothingLeft(before);
          untilAllBlocked(victim.pid);
          victim.line("wake");
          const done = expectDone(victim);
          assertEquals([done.result, done.errno, done.handled], [result, "0", 0]);
          assertEquals(victim.expectExit(), { kind: "exited", status: 0 });
        });
      }

      for (const call of ["epoll_wait"].filter(isWanted)) {
        test(`goes on, though it is disturbed as soon as it begins anew: ${call}`, () => {
          using victim = startVictim("blocked", [call], { flags });
          untilAllBlocked(victim.pid);
          const before = snapshot(victim.pid);
          for (let i = 0; i < MANY_TIMES; i++) disturb(victim.pid);
          untilAllBlocked(victim.pid);
          assertNothingLeft(before);
          victim.line("wake");
          const done = expectDone(victim);
          assertEquals([done.result, done.errno, done.handled], [1, "0", 0]);
          assertEquals(victim.expectExit(), { kind: "exited", status: 0 });
        });
      }

      for (const call of ["pause", "sigsuspend"].filter(isWanted)) {
        test(`goes on until a handler runs: ${call}`, () => {
          using victim = startVictim("blocked", [call], { flags });
          untilAllBlocked(victim.pid);
          const before = snapshot(victim.pid);
          for (let i = 0; i < TIMES; i++) disturb(victim.pid);
          assertNothingLeft(before);
          untilAllBlocked(victim.pid);
          kill(victim.pid, SIGUSR1);
          const done = expectDone(victim);
          assertEquals([done.result, done.errno, done.handled], [-1, "EINTR", 1]);
          assertEquals(done.usr1Blocked, OWN_MASK.has(call));
        });
      }

      for (const call of TIMED.filter(isWanted)) {
        test(`keeps its time: ${call}`, () => {
          for (let milliseconds = 300 * PATIENCE;; milliseconds *= 4) {
            using victim = startVictim("blocked", [call, milliseconds], { flags });
            // A machine may be so slow that the time is over before it was disturbed: then again with more.
            if (!wasDisturbed(victim, disturb)) continue;
            const { result, errno, handled, elapsedUs } = expectDone(victim);
            assertEquals([result, errno, handled], [0, "0", 0]);
            assert(elapsedUs >= milliseconds * 1000, `${call} ended after ${elapsedUs} us`);
            break;
          }
        });
      }

      for (const call of [...woken.map(([call]) => call), ...NEVER_WOKEN.filter(isWanted)]) {
        test(`is interrupted by a signal that came meanwhile: ${call}`, () => {
          const time = call.endsWith("nanosleep") ? [AN_HOUR_MS] : [];
          using victim = startVictim("blocked", [call, ...time], { flags });
          untilAllBlocked(victim.pid);
          disturb(victim.pid, () => kill(victim.pid, SIGUSR1));
          const done = expectDone(victim);
          assertEquals([done.result, done.errno, done.handled], [-1, "EINTR", 1]);
          assertEquals(done.usr1Blocked, OWN_MASK.has(call));
        });
      }
    });
  }
}
