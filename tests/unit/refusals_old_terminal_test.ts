import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { O_PATH } from "../../src/ffi/constants.ts";
import type { Descriptor } from "../../src/proc/fds.ts";
import { encodeDevice } from "../../src/proc/device.ts";
import {
  fdsOn,
  isOnTerminal,
  oldTerminal,
  usesTerminal,
} from "../../src/reptyr/inspect/old_terminal.ts";

const DEVPTS = 26;
const DEVTMPFS = 6;
const pts = (index: number) => encodeDevice({ major: 136, minor: index });

interface Place {
  dev: number;
  ino: number;
  rdev: number;
  nlink?: number;
  isCharDevice?: boolean;
  ttyIndex?: number;
  flags?: number;
}

const onPts = (index: number, changes: Partial<Place> = {}): Place => ({
  dev: DEVPTS,
  ino: index + 3,
  rdev: pts(index),
  ...changes,
});
const DEV_TTY: Place = { dev: DEVTMPFS, ino: 9, rdev: encodeDevice({ major: 5, minor: 0 }) };
const CONSOLE: Place = { dev: DEVTMPFS, ino: 10, rdev: encodeDevice({ major: 5, minor: 1 }) };
const PTMX: Place = { dev: DEVTMPFS, ino: 91, rdev: encodeDevice({ major: 5, minor: 2 }) };
const DEV_NULL: Place = { dev: DEVTMPFS, ino: 3, rdev: encodeDevice({ major: 1, minor: 3 }) };
const FILE: Place = { dev: 40, ino: 77, rdev: 0, isCharDevice: false };
const SOCKET: Place = { dev: 8, ino: 4711, rdev: 0, isCharDevice: false };
const PIPE: Place = { dev: 14, ino: 4712, rdev: 0, isCharDevice: false };
const DISK: Place = { dev: DEVTMPFS, ino: 5, rdev: pts(3), isCharDevice: false };
const MASTER = onPts(0, { dev: DEVTMPFS, ino: 91, rdev: PTMX.rdev, ttyIndex: 3 });
/** A master whose number says nothing of it: as in a container, where ptmx is bound elsewhere. */
const ODD_MASTER = onPts(3, { ttyIndex: 3 });

function descriptors(places: Record<number, Place>): Descriptor[] {
  return Object.entries(places).map(([fd, place]) => ({
    fd: Number(fd),
    link: "",
    dev: place.dev,
    ino: place.ino,
    rdev: place.rdev,
    nlink: place.nlink ?? 1,
    isCharDevice: place.isCharDevice ?? true,
    fdinfo: {
      flags: place.flags ?? 2,
      mntId: 1,
      ttyIndex: place.ttyIndex,
      epoll: [],
    },
  }));
}

const identity = ({ dev, ino, rdev, nlink = 1 }: Place) => ({ dev, ino, rdev, live: nlink > 0 });

const DEAD_3 = onPts(3, { nlink: 0 });

describe("oldTerminal", () => {
  const table: [string, number, Record<number, Place>, { on: Place; fds: number[] } | undefined][] =
    [
      [
        "takes every descriptor on the controlling terminal, and nothing else",
        pts(3),
        {
          0: onPts(3),
          1: FILE,
          2: onPts(3),
          3: SOCKET,
          4: onPts(7),
          5: PIPE,
          10: onPts(3),
          11: DEV_NULL,
        },
        { on: onPts(3), fds: [0, 2, 10] },
      ],
      [
        "ignores descriptors opened with O_PATH on the terminal",
        pts(3),
        { 0: onPts(3), 4: onPts(3, { flags: O_PATH }) },
        { on: onPts(3), fds: [0] },
      ],
      [
        "includes /dev/tty",
        pts(3),
        { 0: PIPE, 1: onPts(3), 3: DEV_TTY },
        { on: onPts(3), fds: [1, 3] },
      ],
      [
        "takes /dev/tty alone when all else is redirected",
        pts(3),
        { 0: PIPE, 1: PIPE, 2: FILE, 3: DEV_TTY },
        { on: DEV_TTY, fds: [3] },
      ],
      [
        "keeps a terminal of the same number in another devpts apart: the lowest descriptor says which",
        pts(3),
        { 0: onPts(3), 1: onPts(3, { dev: 44 }), 2: onPts(3) },
        { on: onPts(3), fds: [0, 2] },
      ],
      [
        "tells a dead terminal from the live one that has its number, device and inode",
        pts(3),
        { 0: onPts(3), 1: DEAD_3, 2: onPts(3) },
        { on: onPts(3), fds: [0, 2] },
      ],
      [
        "takes the live one although the dead one has a lower descriptor: only that can be controlling",
        pts(3),
        { 0: DEAD_3, 1: onPts(3), 2: onPts(3) },
        { on: onPts(3), fds: [1, 2] },
      ],
      [
        "takes a controlling terminal whose device file was removed by hand",
        encodeDevice({ major: 4, minor: 64 }),
        { 0: { dev: DEVTMPFS, ino: 30, rdev: encodeDevice({ major: 4, minor: 64 }), nlink: 0 } },
        {
          on: { dev: DEVTMPFS, ino: 30, rdev: encodeDevice({ major: 4, minor: 64 }), nlink: 0 },
          fds: [0],
        },
      ],
      [
        "takes a controlling terminal of a driver it does not know",
        encodeDevice({ major: 250, minor: 1 }),
        { 0: { dev: DEVTMPFS, ino: 31, rdev: encodeDevice({ major: 250, minor: 1 }) } },
        { on: { dev: DEVTMPFS, ino: 31, rdev: encodeDevice({ major: 250, minor: 1 }) }, fds: [0] },
      ],
      [
        "reads the signed number that /proc gives for a large minor",
        -2147448832,
        { 0: { dev: DEVPTS, ino: 9, rdev: 2147518464 } },
        { on: { dev: DEVPTS, ino: 9, rdev: 2147518464 }, fds: [0] },
      ],
      [
        "takes the terminal of 0, 1 and 2 when none is on the controlling one",
        pts(3),
        { 0: onPts(7), 1: onPts(7), 2: FILE, 5: onPts(8) },
        { on: onPts(7), fds: [0, 1] },
      ],
      [
        "takes no higher descriptor when none is on the controlling one",
        pts(3),
        { 0: DEV_NULL, 1: FILE, 2: FILE, 5: onPts(8) },
        undefined,
      ],
      [
        "without a terminal: never takes files, sockets and pipes, whose number is 0 too",
        0,
        { 0: FILE, 1: SOCKET, 2: PIPE, 3: DEV_NULL },
        undefined,
      ],
      [
        "without a terminal: takes the dead one of 0, 1 and 2, and leaves all else",
        0,
        { 0: DEAD_3, 1: DEAD_3, 2: DEAD_3, 3: FILE, 4: SOCKET, 5: PIPE, 6: DEAD_3 },
        { on: DEAD_3, fds: [0, 1, 2, 6] },
      ],
      [
        "without a terminal: a live one with the number of the dead one is another one",
        0,
        { 0: DEAD_3, 1: DEAD_3, 2: FILE, 3: onPts(3) },
        { on: DEAD_3, fds: [0, 1] },
      ],
      [
        "without a terminal: the lowest of 0, 1 and 2 says which",
        0,
        { 0: PIPE, 1: onPts(4), 2: onPts(5), 7: onPts(4) },
        { on: onPts(4), fds: [1, 7] },
      ],
      [
        "without a terminal: after setsid() its descriptors still tell",
        0,
        { 0: onPts(4), 1: onPts(4), 2: onPts(4), 3: DEV_TTY },
        { on: onPts(4), fds: [0, 1, 2, 3] },
      ],
      [
        "without a terminal: takes none that is open above 2 alone, as systemd-logind has /dev/tty6",
        0,
        { 0: DEV_NULL, 1: FILE, 2: FILE, 5: onPts(6), 6: onPts(7), 8: onPts(6) },
        undefined,
      ],
      [
        "without a terminal: a name above 2 says which, where /dev/tty is among 0, 1 and 2",
        0,
        { 0: DEV_TTY, 3: FILE, 4: onPts(6) },
        { on: onPts(6), fds: [0, 4] },
      ],
      [
        "takes the console of a system that has started with nothing else",
        0,
        { 0: CONSOLE, 1: CONSOLE, 2: CONSOLE },
        { on: CONSOLE, fds: [0, 1, 2] },
      ],
      [
        "never takes a pty master, the target being a terminal emulator",
        pts(3),
        { 0: onPts(3), 3: MASTER, 4: ODD_MASTER, 5: PTMX },
        { on: onPts(3), fds: [0] },
      ],
      [
        "does not take a terminal that the target makes for others, as script does",
        0,
        { 0: DEV_NULL, 1: DEV_NULL, 2: PIPE, 3: MASTER, 4: onPts(3) },
        undefined,
      ],
      [
        "takes another terminal that is open beside a pty of its own",
        0,
        { 0: DEV_TTY, 3: MASTER, 4: onPts(3), 5: onPts(7) },
        { on: onPts(7), fds: [0, 5] },
      ],
      [
        "takes nothing when there are only masters",
        0,
        { 0: MASTER, 1: PTMX, 3: ODD_MASTER },
        undefined,
      ],
      ["takes nothing that is no character device", pts(3), { 0: DISK, 1: DISK }, undefined],
      ["takes nothing when nothing is open", pts(3), {}, undefined],
    ];
  for (const [what, ttyNr, places, expected] of table) {
    it(what, () => {
      assertEquals(
        oldTerminal(ttyNr, descriptors(places)),
        expected && { identity: identity(expected.on), fds: expected.fds },
      );
    });
  }
});

describe("isOnTerminal", () => {
  it("accepts slaves, consoles and /dev/tty, and no masters, files or other devices", () => {
    const answers = (places: Place[]) =>
      descriptors({ ...places }).map((descriptor) => isOnTerminal(descriptor));
    assertEquals(answers([onPts(3), DEAD_3, DEV_TTY, CONSOLE]), [true, true, true, true]);
    assertEquals(
      answers([MASTER, ODD_MASTER, PTMX, DEV_NULL, FILE, SOCKET, PIPE, DISK]),
      Array(8).fill(false),
    );
  });
});

describe("fdsOn", () => {
  const all = { 0: onPts(4), 1: onPts(3), 2: DEAD_3, 3: DISK, 4: DEV_TTY, 5: onPts(3), 6: FILE };
  const on = (place: Place, ttyNr: number, places: Record<number, Place> = all) =>
    fdsOn(identity(place), ttyNr, descriptors(places));

  it("finds the descriptors on the terminal, whatever the controlling terminal is", () => {
    assertEquals(on(onPts(3), pts(4)), [1, 5]);
    assertEquals(on(DEAD_3, pts(4)), [2]);
  });
  it("includes /dev/tty only for the controlling terminal", () => {
    assertEquals(on(onPts(4), pts(4)), [0, 4]);
    assertEquals(on(onPts(3), pts(3)), [1, 4, 5]);
  });
  it("includes /dev/tty of a member without a controlling terminal", () => {
    assertEquals(on(onPts(3), 0, { 0: PIPE, 3: DEV_TTY, 4: onPts(3) }), [3, 4]);
  });
  it("distinguishes terminals of the same number in two devpts", () => {
    assertEquals(on(onPts(3, { dev: DEVPTS + 1 }), pts(4)), []);
  });
});

describe("usesTerminal", () => {
  const uses = (places: Record<number, Place>) =>
    usesTerminal(identity(onPts(3)), descriptors(places));

  it("is true for every process that has the terminal open", () => {
    assertEquals(uses({ 7: onPts(3), 8: SOCKET }), true);
    assertEquals(uses({ 0: onPts(4), 1: PIPE }), false);
    assertEquals(uses({}), false);
  });
  it("is false for the terminal emulator, which may have both ends open", () => {
    assertEquals(uses({ 3: MASTER, 4: onPts(3) }), false);
    assertEquals(uses({ 3: ODD_MASTER }), false);
  });
});
