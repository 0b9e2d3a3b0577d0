import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RefusedError } from "../../src/errors.ts";
import { encodeDevice, ptsDevice, ptsIndex } from "../../src/proc/device.ts";
import type { Descriptor } from "../../src/proc/fds.ts";
import { parseStat } from "../../src/proc/stat.ts";
import type { Ids, Status } from "../../src/proc/status.ts";
import type { TargetFacts } from "../../src/reptyr/inspect/refusals.ts";
import { isMasterOf, wantedTerminal } from "../../src/reptyr/inspect/stolen_terminal.ts";

const PTS3 = encodeDevice(ptsDevice(3));
const PTS300 = encodeDevice(ptsDevice(300));
const TTY1 = encodeDevice({ major: 4, minor: 1 });

const ids: Ids = [1000, 1000, 1000, 1000];

const STATUS: Status = {
  tgid: 4242,
  uids: ids,
  gids: ids,
  tracerPid: 0,
  seccomp: 0,
  seccompFilters: undefined,
  capPermitted: 0n,
  capEffective: 0n,
  sigPending: 0n,
  sharedPending: 0n,
  sigBlocked: 0n,
  sigIgnored: 0n,
  sigCaught: 0n,
  nsPid: [4242],
  nsPgid: [4242],
};

function descriptor(rdev: number, changes: Partial<Descriptor> = {}): Descriptor {
  return {
    fd: 0,
    link: "/dev/pts/3",
    dev: 26,
    ino: 6,
    rdev,
    nlink: 1,
    isCharDevice: true,
    fdinfo: { flags: 2, mntId: 1, ttyIndex: undefined, epoll: [] },
    ...changes,
  };
}

/** A process of session 100 with these descriptors; undefined where we may not see them. */
function target(
  ttyNr: number,
  fds: readonly Descriptor[] | undefined,
  session = 100,
): TargetFacts {
  const line = `4242 (vim) S 100 4242 ${session} ${ttyNr} 4242 0${" 0".repeat(10)} 1`;
  return {
    pid: 4242,
    command: "vim notes.txt",
    tid: 4242,
    stat: parseStat(line + " 0".repeat(32)),
    status: STATUS,
    tracer: undefined,
    fileOwner: 1000,
    userNamespace: "user:[1]",
    hasOtherIds: false,
    label: undefined,
    yama: undefined,
    self: { program: "reptyr", status: STATUS, userNamespace: "user:[1]", label: undefined },
    threadOf: undefined,
    isSelf: false,
    isAncestor: false,
    fds,
    isMachineInit: false,
    members: [],
    bystanders: [],
    inGroup: [],
    inTheWay: [],
    descendantsOnTerminals: [],
    again: "reptyr -T 4242",
  };
}

function refused(of: TargetFacts): string[] {
  const error = assertThrows(() => wantedTerminal(of), RefusedError);
  return [error.message, ...error.remedies];
}

describe("wantedTerminal", () => {
  const file = { dev: 26, ino: 6 };

  it("is the controlling terminal, named by its session", () => {
    const { index, session, file: found } = wantedTerminal(target(PTS3, [descriptor(PTS3)]));
    assertEquals([index, session, found?.rdev], [3, 100, PTS3]);
    assertEquals(wantedTerminal(target(PTS300, undefined)), {
      index: 300,
      session: 100,
      file: undefined,
    });
  });

  it("is named by the device file when its session is in an invisible PID namespace", () => {
    const { session, file: found } = wantedTerminal(target(PTS3, [descriptor(PTS3)], 0));
    assertEquals([session, found?.dev, found?.ino], [undefined, file.dev, file.ino]);
  });

  it("is not named by a descriptor that leads to another terminal", () => {
    assertEquals(wantedTerminal(target(PTS3, [descriptor(PTS300)])).file, undefined);
  });

  it("is that of the descriptors when there is no controlling terminal", () => {
    const { index, session, file: found } = wantedTerminal(target(0, [descriptor(PTS3)]));
    assertEquals([index, session, found?.ino], [3, undefined, file.ino]);
  });

  const table: [string, TargetFacts, string[]][] = [
    [
      "a virtual console",
      target(TTY1, [descriptor(TTY1)]),
      [
        "Cannot take the terminal of process 4242 (vim notes.txt): it is tty1, which is no " +
        "pseudoterminal: no program stands behind it that it could be taken from",
        "To move the process with its job instead, run: reptyr 4242",
      ],
    ],
    [
      "one that has hung up",
      target(0, [descriptor(PTS3, { nlink: 0 })]),
      [
        "Cannot take the terminal of process 4242 (vim notes.txt): it has hung up, and nothing is left to take",
        "To move the process with its job instead, run: reptyr 4242",
      ],
    ],
  ];
  for (const [name, of, lines] of table) {
    it(`refuses ${name}`, () => assertEquals(refused(of), lines));
  }

  it("refuses a process on no terminal", () => {
    assertEquals(refused(target(0, []))[0], "Target is not connected to a terminal");
  });

  it("asks for the permission to look when nothing else can tell", () => {
    assertEquals(refused(target(0, undefined)).at(-1), "Run: sudo reptyr -T 4242");
    assertEquals(refused(target(PTS3, undefined, 0)).at(-1), "Run: sudo reptyr -T 4242");
  });
});

describe("isMasterOf", () => {
  const file = { dev: 26, ino: 6, rdev: PTS3 };
  const byFile = { index: 3, session: undefined, file };
  const bySession = { index: 3, session: 100, file };

  it("goes by the session before all other evidence", () => {
    assertEquals(isMasterOf({ session: 100, file: undefined }, bySession), true);
    assertEquals(isMasterOf({ session: 101, file }, bySession), false);
    assertEquals(isMasterOf({ session: undefined, file }, bySession), false);
  });

  it("without a session, wants the same device file, because another devpts may have the same number", () => {
    assertEquals(isMasterOf({ session: undefined, file: { ...file } }, byFile), true);
    assertEquals(isMasterOf({ session: undefined, file: { ...file, dev: 27 } }, byFile), false);
    assertEquals(isMasterOf({ session: undefined, file: { ...file, ino: 7 } }, byFile), false);
    assertEquals(isMasterOf({ session: 100, file: undefined }, byFile), false);
  });
});

describe("ptsIndex", () => {
  it("is the inverse of ptsDevice", () => {
    for (const index of [0, 3, 255, 256, 1000, 2047]) {
      assertEquals(ptsIndex(ptsDevice(index)), index);
    }
    for (const device of [{ major: 4, minor: 1 }, { major: 144, minor: 0 }]) {
      assertEquals(ptsIndex(device), undefined);
    }
  });
});
