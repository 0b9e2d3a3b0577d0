/**
 * Calls of a move that fail, or that reptyr is killed at, all along the way: a sample of scripts/fault_sweep.ts, which goes
 * through all of them.
 */
import { assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { DESPITE_INSISTING, type Fault, FOR_GOOD } from "../support/fault_injection.ts";
import { failing, killed, type SubjectName } from "../support/fault_trial.ts";
import { isX86_64, requires, requiresThat } from "../support/programs.ts";

const onX86_64 = isX86_64
  ? requires("strace", "cc", "bash")
  : requiresThat(false, "there is no safety net here");

/** `error` at the calls `firsts`, `width` in a row. */
function faults(
  side: Fault["side"],
  call: string,
  error: string,
  width: number,
  firsts: readonly number[],
): Fault[] {
  return firsts.map((first) => ({ side, call, error, first, last: first + width - 1 }));
}

/** The outcomes of {@linkcode failing}, which throws for a target that is neither untouched nor moved. */
function outcomes(subject: SubjectName, all: readonly Fault[]): string[] {
  return all.map((fault) => failing(subject, fault).outcome);
}

describe("a call of a move that fails", () => {
  afterEach(assertNoneLeft);

  onX86_64("is retried, or reported with everything as before: ptrace(2)", () => {
    // While other threads are still about to stop; with a shell that has been shown a stop.
    const sample = faults("own", "ptrace", "EIO", FOR_GOOD, [8, 60]);
    assertEquals(outcomes("leader", sample), ["refused", "moved"]);
    const forGood = faults("own", "ptrace", "EIO", DESPITE_INSISTING, [9, 56, 80]);
    assertEquals(outcomes("job", forGood), ["refused", "refused", "refused"]);
    assertEquals(outcomes("family", faults("own", "ptrace", "EIO", DESPITE_INSISTING, [150])), [
      "refused",
    ]);
    // After the first interest of an epoll instance has been put back; the move is done in the last one.
    const late = faults("own", "ptrace", "EIO", DESPITE_INSISTING, [52, 62]);
    assertEquals(outcomes("steal", late), ["refused", "moved"]);
  });

  onX86_64("is replaced by another way: process_vm_readv(2), process_vm_writev(2)", () => {
    const readings = faults("own", "process_vm_readv", "EIO", FOR_GOOD, [9, 10]);
    assertEquals(outcomes("job", readings), ["moved", "moved"]);
    const writings = faults("own", "process_vm_writev", "EIO", FOR_GOOD, [5, 9]);
    assertEquals(outcomes("job", writings), ["moved", "moved"]);
  });

  onX86_64("does not end a finished move: ioctl(2)", () => {
    const sizes = faults("own", "ioctl", "EIO", FOR_GOOD, [35, 36, 37, 38]);
    assertEquals(outcomes("job", sizes), ["moved", "moved", "moved", "moved"]);
  });

  onX86_64("in a target's name leaves everything as before: dup3, setsid, epoll_ctl", () => {
    for (
      const [subject, call, first] of [
        ["leader", "dup3", 2],
        ["leader", "epoll_ctl", 2],
        ["leader", "socketpair", 1],
        ["job", "setsid", 1],
        ["family", "setpgid", 1],
        ["steal", "epoll_ctl", 3],
        ["steal", "recvmsg", 1],
      ] as const
    ) {
      const [outcome] = outcomes(subject, faults("injected", call, "EPERM", 1, [first]));
      assertEquals(outcome, "refused", `${subject} ${call} ${first}`);
    }
  });

  onX86_64("is undone by a call that fails, too, and is retried", () => {
    // Out of its group, setsid(2), back into it: else it would be left in the group of its shell.
    const group = faults("injected", "setsid|setpgid", "EPERM", 2, [2]);
    assertEquals(outcomes("job", group), ["refused"]);
  });

  onX86_64("in a target's name is retried, when it cannot be undone", () => {
    // SIGCONT is to be handled as before; the new session is to have its terminal.
    const put = [
      ...faults("injected", "rt_sigaction", "EPERM", 1, [3]),
      ...faults("injected", "ioctl", "EPERM", 1, [1]),
    ];
    assertEquals(outcomes("job", put), ["moved", "moved"]);
  });
});

describe("reptyr is killed while it moves", () => {
  afterEach(assertNoneLeft);

  /** Not more than a few: the exhaustive sweep takes many minutes. */
  const MOMENTS: readonly (readonly [SubjectName, readonly number[]])[] = [
    ["family", [40, 110, 146, 164, 190]],
    ["steal", [30, 50, 56]],
    ["leader", [92, 128]],
  ];
  for (const [subject, numbers] of MOMENTS) {
    onX86_64(`all become what they were: ${subject}`, () => {
      for (const fault of faults("own", "ptrace", "SIGKILL", 1, numbers)) {
        assertEquals(killed(subject, fault).outcome, "as before", `${fault.first}`);
      }
    });
  }
});
