import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { SO_RCVTIMEO, SO_SNDTIMEO } from "../../src/ffi/constants.ts";
import {
  millisecondsOf,
  resultAfter,
  timeoutOf,
  timespecMilliseconds,
} from "../../src/procout/ptrace/timeouts.ts";

describe("timeoutOf", () => {
  it("finds the argument with the timeout of each call", () => {
    const wide = (argument: number) => ({ kind: "timespec", argument, isWide: true }) as const;
    const narrow = (argument: number) => ({ kind: "timespec", argument, isWide: false }) as const;
    assertEquals(timeoutOf("epoll_wait", 64, 0n), { kind: "milliseconds", argument: 3 });
    assertEquals(timeoutOf("rt_sigtimedwait", 64, 0n), wide(2));
    assertEquals(timeoutOf("rt_sigtimedwait", 32, 0n), narrow(2));
    assertEquals(timeoutOf("semtimedop_time64", 32, 0n), wide(3));
    assertEquals(timeoutOf("epoll_pwait2", 32, 0n), wide(3));
    assertEquals(timeoutOf("recvfrom", 64, 3n), {
      kind: "socket",
      option: SO_RCVTIMEO,
      isPointed: false,
    });
    assertEquals(timeoutOf("semop", 64, 0n), undefined);
    assertEquals(timeoutOf("connect", 64, 0n), undefined);
  });

  it("resolves the i386 calls that stand for other calls", () => {
    const timespec = { kind: "timespec", argument: 5, isWide: false } as const;
    const socket = { kind: "socket", isPointed: true } as const;
    assertEquals(timeoutOf("ipc", 32, 0x1_0004n), timespec);
    assertEquals(timeoutOf("ipc", 32, 1n), undefined);
    assertEquals(timeoutOf("socketcall", 32, 10n), { ...socket, option: SO_RCVTIMEO });
    assertEquals(timeoutOf("socketcall", 32, 9n), { ...socket, option: SO_SNDTIMEO });
    assertEquals(timeoutOf("socketcall", 32, 3n), undefined);
  });
});

describe("the times of calls", () => {
  it("are read in all their forms", () => {
    assertEquals(millisecondsOf(0xffff_ffffn), undefined);
    assertEquals(millisecondsOf(1000n), 1000);
    const narrow = new Uint8Array(Int32Array.of(2, 500_000_000).buffer);
    const wide = new Uint8Array(BigInt64Array.of(2n, 500_000n).buffer);
    assertEquals([timespecMilliseconds(narrow), timespecMilliseconds(wide)], [2500, 2000.5]);
  });

  it("end a call with no event, or with EAGAIN", () => {
    assertEquals(["epoll_wait", "io_getevents"].map(resultAfter), [0n, 0n]);
    assertEquals(["recvfrom", "ipc", "semtimedop"].map(resultAfter), [-11n, -11n, -11n]);
  });
});
