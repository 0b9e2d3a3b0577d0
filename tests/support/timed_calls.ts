/** Calls with a timeout, made by a program that gets signals which it ignores, while procout watches it. */
import { assertEquals, assertMatch } from "@std/assert";
import { SIGINT } from "../../src/ffi/constants.ts";
import { Procout } from "./procout.ts";
import type { requiresCompiler } from "./programs.ts";
import { DEFAULT_TIMEOUT_MS, PATIENCE, type Terminal } from "./terminal.ts";
import { startVictim, untilBlocked } from "./victim.ts";

/** What each call returns when its time is over. */
const CALLS: Readonly<Record<string, string>> = {
  epoll_wait: "result=0 errno=0",
  epoll_pwait: "result=0 errno=0",
  epoll_pwait2: "result=0 errno=0",
  io_getevents: "result=0 errno=0",
  sigtimedwait: "result=-1 errno=EAGAIN",
  semtimedop: "result=-1 errno=EAGAIN",
  recv: "result=-1 errno=EAGAIN",
  read: "result=-1 errno=EAGAIN",
  accept: "result=-1 errno=EAGAIN",
  send: "result=-1 errno=EAGAIN",
};

const TIMEOUT_MS = 200 * PATIENCE;

export interface TimedCallOptions {
  readonly test: typeof requiresCompiler;
  /** For the compiler. */
  readonly flags?: readonly string[];
  /** Of what program the calls are: `of a 32-bit program `. */
  readonly of?: string;
  /** Only these calls; all by default. */
  readonly only?: readonly string[];
}

function nextDone(victim: Terminal): string {
  return victim.expect(/done (.*? signals=(?:more|over))/)[1]!;
}

/** Tests of calls that tests/victims/timed.c knows. */
export function testTimedCalls({ test, flags = [], of = "", only }: TimedCallOptions): void {
  for (const [call, timedOut] of Object.entries(CALLS)) {
    if (only?.includes(call) === false) continue;
    test(`a call ${of}has its own timeout whatever signals are ignored: ${call}`, () => {
      using victim = startVictim("timed", [call, TIMEOUT_MS], { flags });
      untilBlocked(victim.pid);
      using _procout = Procout.watch(victim.pid);
      victim.line("begin");
      assertEquals(nextDone(victim), `${call} ${timedOut} kept=1 signals=more`);
      assertEquals(victim.expectExit(), { kind: "exited", status: 0 });
    });
  }

  for (const call of ["epoll_wait", "recv"].filter((call) => only?.includes(call) ?? true)) {
    test(`a call ${of}goes on to its timeout when procout ends: ${call}`, () => {
      using victim = startVictim("timed", [call, 5 * TIMEOUT_MS], { flags });
      untilBlocked(victim.pid);
      using procout = Procout.watch(victim.pid);
      victim.line("begin");
      untilBlocked(victim.pid);
      procout.signal(SIGINT);
      procout.expectEnd(0, DEFAULT_TIMEOUT_MS);
      assertEquals(nextDone(victim), `${call} ${CALLS[call]} kept=1 signals=more`);
      assertEquals(victim.expectExit(), { kind: "exited", status: 0 });
    });
  }

  for (const way of ["handled", "stopped"]) {
    for (const call of ["epoll_wait", "recv"].filter((call) => only?.includes(call) ?? true)) {
      test(`a call ${of}that a signal breaks begins its time anew: ${call}, ${way}`, () => {
        // Long enough for the signal to come before its end.
        using victim = startVictim("timed", [call, 5 * TIMEOUT_MS, way], { flags });
        untilBlocked(victim.pid);
        using _procout = Procout.watch(victim.pid);
        victim.line("begin");
        assertMatch(nextDone(victim), /result=-1 errno=EINTR/);
        assertEquals(nextDone(victim), `${call} ${CALLS[call]} kept=1 signals=more`);
        assertEquals(victim.expectExit(), { kind: "exited", status: 0 });
      });
    }
  }
}
