import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { decodeWaitStatus, type WaitStatus } from "../../src/tracee/wait_status.ts";

/** wait(2)'s numbers, as the kernel makes them. */
const CASES: readonly (readonly [string, number, WaitStatus])[] = [
  ["exit(0)", 0x0000, { kind: "exited", status: 0 }],
  ["exit(255)", 0xff00, { kind: "exited", status: 255 }],
  ["SIGKILL", 0x0009, { kind: "signaled", signal: 9 }],
  ["SIGSEGV with a core dump", 0x008b, { kind: "signaled", signal: 11 }],
  ["a syscall-stop", 0x857f, { kind: "syscall-stop" }],
  ["PTRACE_INTERRUPT", 0x80057f, { kind: "interrupt-stop" }],
  ["a group-stop by SIGSTOP", 0x80137f, { kind: "group-stop", signal: 19 }],
  ["a group-stop by SIGTTOU", 0x80167f, { kind: "group-stop", signal: 22 }],
  ["SIGSTOP on its way", 0x137f, { kind: "signal-delivery-stop", signal: 19 }],
  ["SIGTRAP on its way", 0x057f, { kind: "signal-delivery-stop", signal: 5 }],
  ["the last real-time signal", 0x407f, { kind: "signal-delivery-stop", signal: 64 }],
  ["PTRACE_EVENT_CLONE", 0x3057f, { kind: "event-stop", event: 3 }],
];

describe("decodeWaitStatus", () => {
  for (const [what, status, decoded] of CASES) {
    it(`knows ${what}`, () => assertEquals(decodeWaitStatus(status), decoded));
  }
});
