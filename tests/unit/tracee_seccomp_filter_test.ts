import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  SECCOMP_RET_ALLOW,
  SECCOMP_RET_ERRNO,
  SECCOMP_RET_KILL_PROCESS,
  SECCOMP_RET_KILL_THREAD,
  SECCOMP_RET_LOG,
  SECCOMP_RET_TRACE,
  SECCOMP_RET_TRAP,
  SECCOMP_RET_USER_NOTIF,
} from "../../src/ffi/constants.ts";
import { sockFilter } from "../../src/ffi/structs.ts";
import { type FilterProgram, verdictOf } from "../../src/tracee/seccomp_filter.ts";
import { Struct } from "../../src/struct.ts";

/** BPF_RET | BPF_K */
const RETURN = 0x06;

function answering(action: number): FilterProgram {
  return new Struct(sockFilter).set("code", RETURN).set("k", action).bytes;
}

const CALL = { number: 39, auditArch: 0xc000003e, instructionPointer: 0x1000n, args: [] };

function verdict(...actions: number[]) {
  return verdictOf(actions.map(answering), CALL);
}

// What the kernel does with programs is compared in tests/kernel/seccomp_filter_test.ts.
describe("verdictOf", () => {
  it("is allowed for SECCOMP_RET_ALLOW and SECCOMP_RET_LOG", () => {
    assertEquals(verdict(SECCOMP_RET_ALLOW), "allowed");
    assertEquals(verdict(SECCOMP_RET_LOG), "allowed");
    assertEquals(verdict(), "allowed");
  });
  it("is refused for SECCOMP_RET_ERRNO, and for SECCOMP_RET_TRACE without a tracer", () => {
    assertEquals(verdict(SECCOMP_RET_ERRNO | 1), "refused");
    assertEquals(verdict(SECCOMP_RET_TRACE | 7), "refused");
  });
  it("is forbidden for actions that end the process or wait for another process", () => {
    for (
      const action of [
        SECCOMP_RET_KILL_PROCESS,
        SECCOMP_RET_KILL_THREAD,
        SECCOMP_RET_TRAP,
        SECCOMP_RET_USER_NOTIF,
        0x7fe0_0000,
      ]
    ) assertEquals(verdict(action), "forbidden", action.toString(16));
  });
  it("is the strictest of several filters, whatever their order", () => {
    assertEquals(verdict(SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | 1, SECCOMP_RET_LOG), "refused");
    assertEquals(verdict(SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ALLOW), "forbidden");
    assertEquals(verdict(SECCOMP_RET_ERRNO | 1, SECCOMP_RET_KILL_THREAD), "forbidden");
  });
});
