import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { RefusedError } from "../../src/errors.ts";
import type { Descriptor } from "../../src/proc/fds.ts";
import { parseStat, type Stat } from "../../src/proc/stat.ts";
import type { Ids, Status } from "../../src/proc/status.ts";
import {
  explainAttachFailure,
  isAttachForbidden,
  isAttachUnlikely,
} from "../../src/tracee/attach_failure.ts";
import { refusal, type TargetFacts } from "../../src/reptyr/inspect/refusals.ts";

const ALL_CAPABILITIES = 0x1ffffffffffn;
const CAP_SYS_PTRACE = 1n << 19n;
const PTS3 = 34819;

const ids = (id: number): Ids => [id, id, id, id];

function status(uid: number, changes: Partial<Status> = {}): Status {
  return {
    tgid: 4242,
    uids: ids(uid),
    gids: ids(uid),
    tracerPid: 0,
    seccomp: 0,
    seccompFilters: undefined,
    capPermitted: uid === 0 ? ALL_CAPABILITIES : 0n,
    capEffective: uid === 0 ? ALL_CAPABILITIES : 0n,
    sigPending: 0n,
    sharedPending: 0n,
    sigBlocked: 0n,
    sigIgnored: 0n,
    sigCaught: 0n,
    nsPid: [4242],
    nsPgid: [4242],
    ...changes,
  };
}

const STAT: Stat = {
  ...parseStat(
    `4242 (vim) S 100 4242 100 ${PTS3} 4242 4194304${" 0".repeat(10)} 1${" 0".repeat(32)}`,
  ),
};

const DESCRIPTOR: Descriptor = {
  fd: 0,
  link: "/dev/pts/3",
  dev: 26,
  ino: 6,
  rdev: PTS3,
  nlink: 1,
  isCharDevice: true,
  fdinfo: { flags: 2, mntId: 1, ttyIndex: undefined, epoll: [] },
};

/** vim of user 1000 on pts/3, looked at by a reptyr of user 1000: nothing speaks against it. */
function facts(changes: Partial<TargetFacts> = {}): TargetFacts {
  return {
    pid: 4242,
    command: "vim notes.txt",
    tid: 4242,
    stat: STAT,
    status: status(1000),
    tracer: undefined,
    fileOwner: 1000,
    userNamespace: "user:[1]",
    hasOtherIds: false,
    label: undefined,
    yama: undefined,
    self: { program: "reptyr", status: status(1000), userNamespace: "user:[1]", label: undefined },
    threadOf: undefined,
    isSelf: false,
    isAncestor: false,
    fds: [DESCRIPTOR],
    isMachineInit: false,
    members: [],
    bystanders: [],
    inGroup: [],
    inTheWay: [],
    descendantsOnTerminals: [],
    ...changes,
  };
}

const self = (uid: number, changes: Partial<Status> = {}) => ({
  program: "reptyr",
  status: status(uid, changes),
  userNamespace: "user:[1]",
  label: undefined,
});

const lines = (error: RefusedError | undefined) => error && [error.message, ...error.remedies];
const refused = (changes: Partial<TargetFacts>) =>
  lines(refusal({ pid: 4242, target: facts(changes) }));

describe("refusal", () => {
  const table: [string, Partial<TargetFacts>, string[] | undefined][] = [
    ["nothing against a plain target", {}, undefined],
    [
      "a thread",
      { threadOf: { pid: 4200, command: "node app.js", ttyNr: 0 } },
      [
        "Cannot move process 4242 (vim notes.txt): it is a thread of process 4200 (node app.js)",
        "Run: reptyr 4200",
      ],
    ],
    [
      "a kernel thread",
      { command: "[kworker/0:1]", stat: { ...STAT, flags: 0x00208040 } },
      ["Cannot move process 4242 ([kworker/0:1]): it is a kernel thread"],
    ],
    [
      "a zombie",
      { command: "[cc1]", stat: { ...STAT, state: "Z" }, tid: undefined, fds: undefined },
      [
        "Cannot move process 4242 ([cc1]): it has ended and is a zombie",
        "Nothing of it is left but its exit status, which its parent 100 has not read",
      ],
    ],
    [
      "a process that is ending, and has given up its files",
      { command: "[cc1]", tid: undefined, fds: undefined },
      ["Cannot move process 4242 ([cc1]): it is just ending"],
    ],
    [
      "nothing against a first thread that has exited while others live",
      { stat: { ...STAT, state: "Z", numThreads: 3 }, tid: 4244 },
      undefined,
    ],
    [
      "this reptyr",
      { command: "reptyr 4242", isSelf: true },
      ["Cannot move process 4242 (reptyr 4242): it is this reptyr itself"],
    ],
    [
      "the shell above",
      { command: "-bash", isAncestor: true },
      [
        "Cannot move process 4242 (-bash): it is the shell (or an ancestor) this reptyr runs under",
        "Run reptyr in another terminal",
      ],
    ],
    [
      "no terminal",
      {
        stat: { ...STAT, ttyNr: 0 },
        fds: [
          { ...DESCRIPTOR, rdev: 259, link: "/dev/null" },
          { ...DESCRIPTOR, fd: 1, rdev: 0, isCharDevice: false, link: "/tmp/a\nb" },
        ],
      },
      [
        "Target is not connected to a terminal",
        "Of its descriptors, 0 is /dev/null, 1 is /tmp/a\\nb",
        "To put a terminal in their place, run: reptyr --force-stdio 4242",
      ],
    ],
    [
      "no terminal, but below it one",
      {
        stat: { ...STAT, ttyNr: 0 },
        fds: [],
        descendantsOnTerminals: [{ pid: 4300, command: "less", ttyNr: PTS3 }],
      },
      [
        "Target is not connected to a terminal",
        "Its descriptors 0, 1 and 2 are closed",
        "To put a terminal in their place, run: reptyr --force-stdio 4242",
        "Processes below it are on a terminal and may be meant: 4300 (less) on pts/3",
      ],
    ],
    [
      "a seccomp filter that we may not suspend",
      { status: status(1000, { seccomp: 2 }) },
      [
        "Cannot move process 4242 (vim notes.txt): it runs under a seccomp filter, which might kill it " +
        "for the calls of the move",
        "With CAP_SYS_ADMIN the filter can be suspended for a moment: sudo reptyr 4242",
        "To move the terminal itself, which changes nothing in it, run: reptyr -T 4242",
      ],
    ],
    [
      "a seccomp filter that we may not suspend because we are under one",
      { status: status(1000, { seccomp: 2 }), self: self(0, { seccomp: 2 }) },
      [
        "Cannot move process 4242 (vim notes.txt): it runs under a seccomp filter, which might kill it " +
        "for the calls of the move",
        "Run reptyr as root outside of the container or sandbox: under a filter itself it cannot suspend one",
      ],
    ],
    [
      "nothing against a seccomp filter that root suspends",
      { status: status(1000, { seccomp: 2 }), self: self(0) },
      undefined,
    ],
    [
      "nothing against a target whose terminal is gone",
      { stat: { ...STAT, ttyNr: 0 }, fds: [{ ...DESCRIPTOR, nlink: 0 }] },
      undefined,
    ],
  ];
  for (const [what, changes, expected] of table) {
    it(`says: ${what}`, () => assertEquals(refused(changes), expected));
  }

  it("says: no such process", () => {
    assertEquals(lines(refusal({ pid: 4242, target: undefined })), [
      "Cannot move process 4242: no such process",
      "`reptyr --list` lists the processes on terminals",
    ]);
  });

  it("says: hidden by /proc", () => {
    assertEquals(lines(refusal({ pid: 4242, target: undefined, isHidden: true })), [
      "Cannot attach to process 4242: permission denied: /proc hides the processes of other users (hidepid)",
      "Run: sudo reptyr 4242",
    ]);
  });

  it("names eight processes, shortened, and counts the rest", () => {
    const descendantsOnTerminals = Array.from({ length: 11 }, (_, i) => ({
      pid: 5000 + i,
      command: "x".repeat(100),
      ttyNr: PTS3,
    }));
    const stat = { ...STAT, ttyNr: 0 };
    const message = refused({ stat, fds: [], descendantsOnTerminals })?.at(-1) ?? "";
    assert(message.endsWith(`, 5007 (${"x".repeat(39)}…) on pts/3 and 3 more`), message);
    assert(!message.includes("5008"));
  });

  it("asks for permission before it looks at the terminal", () => {
    assert(refused({ status: status(0), fds: undefined })?.[0]?.includes("permission denied"));
    assert(refused({ fds: undefined })?.[0]?.includes("permission denied"));
  });
});

describe("explainAttachFailure", () => {
  const SUDO = "Run: sudo reptyr 4242";
  const CAPABILITY =
    "Run reptyr with the capability CAP_SYS_PTRACE (docker run --cap-add=SYS_PTRACE)";
  const YAMA =
    "Or allow it until the next boot: echo 0 | sudo tee /proc/sys/kernel/yama/ptrace_scope";
  const LOG = "The log of the kernel (`sudo dmesg`) or of auditd says which rule forbids it";
  const OUTSIDE =
    "Run reptyr as root outside of the container or sandbox that it or the target is in";
  const UNREADABLE = { userNamespace: undefined, fds: undefined };

  const table: [
    what: string,
    Partial<TargetFacts>,
    certain: boolean,
    why: string,
    remedies: string[],
  ][] = [
    [
      "traced by a debugger",
      { tracer: { pid: 77, command: "gdb -p 4242" } },
      true,
      "it is already traced by process 77 (gdb -p 4242)",
      ["End process 77 or make it detach, then try again"],
    ],
    [
      "traced, also for root",
      { tracer: { pid: 77, command: "strace" }, self: self(0), yama: 1 },
      true,
      "it is already traced by process 77 (strace)",
      ["End process 77 or make it detach, then try again"],
    ],
    [
      "another user",
      { status: status(33), fileOwner: 33, ...UNREADABLE },
      true,
      "it belongs to another user (uid 33; this reptyr runs as uid 1000)",
      [SUDO],
    ],
    [
      "another user, before Yama",
      { status: status(0), fileOwner: 0, yama: 1, ...UNREADABLE },
      true,
      "it belongs to another user (uid 0; this reptyr runs as uid 1000)",
      [SUDO],
    ],
    [
      "root of a container that lacks the capability",
      { status: status(33), fileOwner: 33, self: self(0, { capEffective: 0n }), ...UNREADABLE },
      true,
      "it belongs to another user (uid 33; this reptyr runs as uid 0)",
      [CAPABILITY],
    ],
    [
      "a set-user-ID program",
      { status: status(1000, { uids: [1000, 0, 0, 0] }), fileOwner: 0, ...UNREADABLE },
      true,
      "it runs a set-user-ID program (uids 1000, 0, 0)",
      [SUDO],
    ],
    [
      "a program that has given up its effective uid but not the saved one",
      { status: status(1000, { uids: [1000, 1000, 0, 1000] }) },
      true,
      "it runs a set-user-ID program (uids 1000, 1000, 0)",
      [SUDO],
    ],
    [
      "another group",
      { status: status(1000, { gids: ids(50) }) },
      true,
      "it belongs to another group (gid 50; this reptyr runs as gid 1000)",
      [SUDO],
    ],
    [
      "a set-group-ID program",
      { status: status(1000, { gids: [1000, 43, 43, 43] }), fileOwner: 0 },
      true,
      "it runs a set-group-ID program (gids 1000, 43, 43)",
      [SUDO],
    ],
    [
      "Yama 1, which a target may have lifted",
      { yama: 1 },
      false,
      "kernel.yama.ptrace_scope is 1: only a parent may trace a process",
      [SUDO, YAMA],
    ],
    [
      "Yama 2",
      { yama: 2 },
      true,
      "kernel.yama.ptrace_scope is 2: only root may trace a process",
      [SUDO, YAMA],
    ],
    [
      "Yama 3",
      { yama: 3 },
      true,
      "kernel.yama.ptrace_scope is 3: no process may be traced until the next boot",
      ["Set kernel.yama.ptrace_scope to 0, 1 or 2 in /etc/sysctl.d and boot again"],
    ],
    [
      "Yama 3, also for root",
      { yama: 3, self: self(0) },
      true,
      "kernel.yama.ptrace_scope is 3: no process may be traced until the next boot",
      ["Set kernel.yama.ptrace_scope to 0, 1 or 2 in /etc/sysctl.d and boot again"],
    ],
    [
      "not dumpable",
      { fileOwner: 0, ...UNREADABLE },
      true,
      "it is not dumpable: a program with privileges or secrets that forbids tracing",
      [SUDO],
    ],
    [
      "not dumpable is certain, Yama 1 is not",
      { fileOwner: 0, yama: 1, ...UNREADABLE },
      true,
      "it is not dumpable: a program with privileges or secrets that forbids tracing",
      [SUDO],
    ],
    [
      "capabilities that we lack",
      { status: status(1000, { capPermitted: 1n << 10n }) },
      true,
      "it has capabilities that this reptyr does not have",
      [SUDO],
    ],
    [
      "another user namespace",
      { userNamespace: "user:[2]", status: status(0) },
      false,
      "it belongs to another user (uid 0; this reptyr runs as uid 1000)",
      [SUDO],
    ],
    [
      "another user namespace, same uid",
      { userNamespace: "user:[2]" },
      false,
      "it is in another user namespace",
      [OUTSIDE],
    ],
    [
      "another user namespace that only its map of ids shows",
      { userNamespace: undefined, hasOtherIds: true },
      false,
      "it is in another user namespace",
      [OUTSIDE],
    ],
    [
      "unreadable even for root",
      { self: self(0), status: status(0), fileOwner: 0, ...UNREADABLE },
      false,
      "it is in another user namespace, or a security module protects it",
      [OUTSIDE],
    ],
    [
      "a seccomp filter on reptyr",
      { self: self(1000, { seccomp: 2 }) },
      false,
      "a seccomp filter on this reptyr, such as that of a container, may forbid ptrace",
      [
        "Run reptyr outside of the container or sandbox, or allow ptrace in it (docker run --cap-add=SYS_PTRACE)",
      ],
    ],
    [
      "another label",
      { label: "firefox (enforce)" },
      false,
      "a security module may protect it: its label is firefox (enforce), that of this reptyr none",
      [LOG],
    ],
    [
      "nothing that can be seen",
      {},
      false,
      "it may have made itself not dumpable, or a security module may forbid it",
      [SUDO],
    ],
    [
      "nothing that can be seen, for root",
      { self: self(0) },
      false,
      "a security module, such as SELinux or AppArmor, may forbid it",
      [LOG],
    ],
  ];
  for (const [what, changes, certain, why, remedies] of table) {
    it(`says: ${what}`, () => {
      const target = facts(changes);
      assertEquals(lines(explainAttachFailure(target)), [
        `Cannot attach to process 4242 (vim notes.txt): permission denied: ${why}`,
        ...remedies,
      ]);
      assertEquals(isAttachForbidden(target), certain);
    });
  }

  it("calls Yama level 1 a likely reason, and no more", () => {
    const likely = (changes: Partial<TargetFacts>) => isAttachUnlikely(facts(changes));
    assertEquals(
      [
        likely({ yama: 1 }),
        likely({ yama: 0 }),
        likely({}),
        likely({ yama: 1, self: self(0) }),
        likely({ yama: 1, userNamespace: "user:[2]" }),
        likely({ self: self(1000, { seccomp: 2 }), label: "firefox (enforce)" }),
      ],
      [true, false, false, false, false, false],
    );
  });

  const free: [string, Partial<TargetFacts>][] = [
    ["another user", { status: status(33), fileOwner: 33 }],
    ["Yama 1 and 2", { yama: 2 }],
    ["a program that is not dumpable", { status: status(1000), fileOwner: 0 }],
    ["more capabilities", { status: status(1000, { capPermitted: 1n << 40n }) }],
  ];
  for (const [what, changes] of free) {
    it(`lets CAP_SYS_PTRACE past ${what}`, () => {
      const with19 = { capEffective: CAP_SYS_PTRACE, capPermitted: CAP_SYS_PTRACE };
      assertEquals(isAttachForbidden(facts({ ...changes, self: self(7, with19) })), false);
      assertEquals(isAttachForbidden(facts({ ...changes, self: self(7) })), true);
    });
  }
});
