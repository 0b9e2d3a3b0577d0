/**
 * Calls of a move that fail, or that reptyr is killed at, all along the way: a sample of scripts/fault_sweep.ts, which goes
 * through all of them.
 */
import { assert, assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { DESPITE_INSISTING, type Fault, FOR_GOOD } from "../support/fault_injection.ts";
import { Moments } from "../support/fault_moments.ts";
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
    const leader = Moments.of("leader");
    const asking = leader.request(/PTRACE_SEIZE/, 1);
    const sample = faults("own", "ptrace", "EIO", FOR_GOOD, [asking, leader.injected("dup3")]);
    assertEquals(outcomes("leader", sample), ["refused", "moved"]);
    const job = Moments.of("job");
    const stopped = [
      job.request(/PTRACE_SETREGSET/),
      job.injected("dup3"),
      job.injected("setpgid"),
    ];
    const forGood = faults("own", "ptrace", "EIO", DESPITE_INSISTING, stopped);
    assertEquals(outcomes("job", forGood), ["refused", "refused", "refused"]);
    const swapping = [Moments.of("family").injected("dup3", 4)];
    assertEquals(outcomes("family", faults("own", "ptrace", "EIO", DESPITE_INSISTING, swapping)), [
      "refused",
    ]);
    // After the first interest of an epoll instance has been put back; the move is done in the last one.
    const steal = Moments.of("steal");
    const ends = [steal.injected("epoll_ctl", -1) + 5, steal.request(/PTRACE_CONT/, -1)];
    const late = faults("own", "ptrace", "EIO", DESPITE_INSISTING, ends);
    assertEquals(outcomes("steal", late), ["refused", "moved"]);
  });

  onX86_64("is replaced by another way: process_vm_readv(2), process_vm_writev(2)", () => {
    const job = Moments.of("job");
    const two = (numbers: readonly number[]) => [numbers.at(0)!, numbers.at(-1)!];
    const readings = faults(
      "own",
      "process_vm_readv",
      "EIO",
      FOR_GOOD,
      two(job.onLoan("process_vm_readv")),
    );
    assertEquals(outcomes("job", readings), ["moved", "moved"]);
    const writings = faults(
      "own",
      "process_vm_writev",
      "EIO",
      FOR_GOOD,
      two(job.onLoan("process_vm_writev")),
    );
    assertEquals(outcomes("job", writings), ["moved", "moved"]);
  });

  onX86_64("does not end a finished move: ioctl(2)", () => {
    // How many come before differs by a few with how long the stops were waited for. One refused would be as before.
    const [end] = Moments.of("job").afterwards("ioctl");
    const numbers = [-4, -2, -1, 0, 1].map((more) => end! + more);
    const found = outcomes("job", faults("own", "ioctl", "EIO", FOR_GOOD, numbers));
    assert(found.includes("moved"), found.join());
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
  const MOMENTS: readonly (readonly [SubjectName, (moments: Moments) => readonly number[]])[] = [
    [
      "family",
      (moments) =>
        Moments.spread(moments.request(/PTRACE_SETREGSET/), moments.injected("setsid"), 5),
    ],
    [
      "steal",
      (moments) =>
        Moments.spread(moments.injected("epoll_ctl"), moments.injected("epoll_ctl", -1) + 8, 3),
    ],
    ["leader", (moments) => [moments.injected("dup3", -1), moments.injected("ioctl", -1) + 2]],
  ];
  for (const [subject, find] of MOMENTS) {
    onX86_64(`all become what they were: ${subject}`, () => {
      const numbers = find(Moments.of(subject));
      for (const fault of faults("own", "ptrace", "SIGKILL", 1, numbers)) {
        assertEquals(killed(subject, fault).outcome, "as before", `${fault.first}`);
      }
    });
  }
});
