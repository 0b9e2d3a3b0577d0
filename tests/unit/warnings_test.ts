import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type WarningFacts, warnings } from "../../src/reptyr/inspect/warnings.ts";

/** Of alice, like this reptyr, in no login session and under no filter. */
function facts(changes: Partial<WarningFacts> = {}): WarningFacts {
  return {
    pid: 4242,
    uid: 1000,
    selfUid: 1000,
    job: [4242],
    bereft: [],
    shells: [],
    inGroup: [],
    left: [],
    seccomp: 0,
    session: undefined,
    selfSession: undefined,
    killed: true,
    ...changes,
  };
}

const THREE = { scope: "session-3.scope", uid: 1000 };
const FOUR = { scope: "session-4.scope", uid: 1000 };
const CALL = "call org.freedesktop.systemd1 /org/freedesktop/systemd1 " +
  "org.freedesktop.systemd1.Manager StartTransientUnit 'ssa(sv)a(sa(sv))' " +
  "reptyr-4242.scope fail 1 PIDs au";
const STAYS = "Process 4242 stays in session-3.scope, the login session it was started from, " +
  "and systemd";

describe("warnings", () => {
  const table: [string, Partial<WarningFacts>, string[]][] = [
    ["nothing when there is nothing to warn of", {}, []],
    ["that the session of the target ends it", { session: THREE }, [
      `${STAYS} ends it at logout; to keep it, run: loginctl enable-linger && busctl --user ${CALL} 1 4242 0`,
    ]],
    ["the same when reptyr is in another session, for the whole job", {
      session: THREE,
      selfSession: FOUR,
      job: [4242, 4250, 4251],
    }, [
      `${STAYS} ends it at logout; to keep it, run: loginctl enable-linger && ` +
      `busctl --user ${CALL} 3 4242 4250 4251 0`,
    ]],
    ["the same to root, with a command for the system manager", { session: THREE, selfUid: 0 }, [
      `${STAYS} ends it at logout; to keep it, run: busctl ${CALL} 1 4242 0`,
    ]],
    ["the same to another user", { session: THREE, selfUid: 1001 }, [
      `${STAYS} ends it at logout; to keep it, run: sudo busctl ${CALL} 1 4242 0`,
    ]],
    ["that the session may end it, when the policy is unknown", {
      session: THREE,
      selfUid: 0,
      killed: undefined,
    }, [
      `${STAYS} may end it at logout; to keep it, run: busctl ${CALL} 1 4242 0`,
    ]],
    ["nothing when reptyr is in the same session", { session: THREE, selfSession: THREE }, []],
    ["nothing when logind does not kill processes", { session: THREE, killed: false }, []],
    ["nothing about our own session", { selfSession: FOUR }, []],
    ["which processes of its group stay", {
      inGroup: [{ pid: 812, command: "atd", ttyNr: 0 }],
    }, [
      "Process 812 (atd), in the process group of process 4242, stays where it is: it is neither on the terminal " +
      "that is left nor below process 4242",
    ]],
    ["the same of several processes", {
      inGroup: [{ pid: 812, command: "atd", ttyNr: 0 }, { pid: 813, command: "sh", ttyNr: 0 }],
    }, [
      "Processes 812 (atd), 813 (sh), in the process group of process 4242, stay where they are: they are neither on " +
      "the terminal that is left nor below process 4242",
    ]],
    [
      "which process stays on a dead terminal",
      { left: [{ pid: 4243, command: "less", ttyNr: 0 }] },
      [
        "Process 4243 (less), on the same terminal, which has hung up, stays there; to move it, too, " +
        "run: reptyr 4243",
      ],
    ],
    [
      "that a thread cannot be stopped",
      { asleep: { pid: 4250, tid: 4251, where: "kernel_clone" } },
      [
        "Thread 4251 of process 4250 is in uninterruptible sleep (state D, in kernel_clone): " +
        "it cannot be stopped, and nothing moved, before that is over",
      ],
    ],
    ["that a process of its session loses /dev/tty", { bereft: [4250] }, [
      "Process 4250, in the session of process 4242, will have no /dev/tty, which only new jobs get: " +
      "programs that ask there for a password or a key will fail for it, and for what it starts; " +
      "to move the terminal itself, run: reptyr -T 4242",
    ]],
    ["that a shell below it loses job control", { shells: [4250, 4260] }, [
      "Process 4250, a shell below process 4242, will have no job control: ^C and ^Z do not reach what it starts from " +
      "now on; to move it instead, run: reptyr 4250; to move the terminal itself: reptyr -T 4242",
    ]],
    ["the same of many processes, naming some", { bereft: [1, 2, 3, 4, 5, 6, 7, 8, 9] }, [
      "Processes 1, 2, 3, 4, 5, 6, 7, 8 and 1 more, in the session of process 4242, will have no " +
      "/dev/tty, which only new jobs get: programs that ask there for a password or a key will fail " +
      "for them, and for what they start; to move the terminal itself, run: reptyr -T 4242",
    ]],
    ["that a seccomp filter is suspended", { seccomp: 2 }, [
      "Process 4242 is under seccomp: its filter is suspended for the calls of the move; if this reptyr is killed by " +
      "SIGKILL just then, what the filter forbids is not undone, and a process whose filter forbids rt_sigreturn(2) " +
      "may end",
    ]],
  ];
  for (const [what, changes, expected] of table) {
    it(`says ${what}`, () => assertEquals(warnings(facts(changes)), expected));
  }

  it("says one thing after the other", () => {
    const lines = warnings(facts({ session: THREE, seccomp: 1 }));
    assertEquals(lines.map((line) => line.slice(0, 25)), [
      "Process 4242 stays in ses",
      "Process 4242 is under sec",
    ]);
  });
});
