import { assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import {
  PTRACE_CONT,
  PTRACE_O_TRACESYSGOOD,
  PTRACE_SYSCALL,
  PTRACE_SYSCALL_INFO_EXIT,
  SIGTERM,
} from "../../src/ffi/constants.ts";
import { detach, getSyscallInfo, interrupt, resume, seize } from "../../src/tracee/ptrace.ts";
import { SyscallStop } from "../../src/tracee/syscall_stop.ts";
import { Deadline, nextStatus, statusNow, waitOut } from "../../src/tracee/wait.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { requiresCompiler } from "../support/programs.ts";
import { startVictim, untilBlocked } from "../support/victim.ts";

const ERESTARTNOHAND = 514n;

describe("PTRACE_INTERRUPT of a thread that goes from one syscall-stop to the next", () => {
  afterEach(assertNoneLeft);

  requiresCompiler("is consumed by the exit of the call that it interrupted", () => {
    using target = startVictim("mirror_signals", ["pause"]);
    const { pid } = target;
    untilBlocked(pid);
    seize(pid, PTRACE_O_TRACESYSGOOD);
    interrupt(pid);
    assertEquals(waitOut(nextStatus(pid, pid, new Deadline(10))).kind, "interrupt-stop");
    resume(pid, PTRACE_SYSCALL);
    assertEquals(waitOut(nextStatus(pid, pid, new Deadline(10))).kind, "syscall-stop"); // the entry: pause(2) is made again
    resume(pid, PTRACE_SYSCALL);
    untilBlocked(pid);

    interrupt(pid);
    assertEquals(waitOut(nextStatus(pid, pid, new Deadline(10))).kind, "syscall-stop");
    assertEquals(getSyscallInfo(pid), { op: PTRACE_SYSCALL_INFO_EXIT, result: -ERESTARTNOHAND });
    const stop = new SyscallStop();
    assertEquals(stop.read(pid), PTRACE_SYSCALL_INFO_EXIT);
    assertEquals(stop.result, -Number(ERESTARTNOHAND));
    // No interrupt-stop follows: the thread is back in pause(2).
    resume(pid, PTRACE_CONT);
    untilBlocked(pid);
    assertEquals(statusNow(pid, pid), undefined);

    // Asked once more at the exit, it comes to the stop where the kernel decides about the call.
    interrupt(pid);
    assertEquals(waitOut(nextStatus(pid, pid, new Deadline(10))).kind, "interrupt-stop");
    detach(pid);
    untilBlocked(pid);
    target.child.handle.signal(SIGTERM);
    target.expect("caught 15");
    assertEquals(target.expectExit(), { kind: "exited", status: 7 });
  });
});
