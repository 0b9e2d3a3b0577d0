import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { remoteFd } from "../../src/brands.ts";
import { O_ASYNC, O_CLOEXEC, O_NONBLOCK, O_RDWR, O_WRONLY } from "../../src/ffi/constants.ts";
import { encodeDevice } from "../../src/proc/device.ts";
import type { EpollEntry } from "../../src/proc/fdinfo.ts";
import type { Descriptor } from "../../src/proc/fds.ts";
import { planJob, type PlannedProcess } from "../../src/reptyr/move/descriptors/plan.ts";
import type { Compare } from "../../src/reptyr/move/descriptors/description_index.ts";

const O_APPEND = 0o2000;

/** The file system of /dev/pts, as stat(2) numbers it and as fdinfo does: new_encode_dev() or plain. */
const DEVPTS = encodeDevice({ major: 0, minor: 26 });
const DEVPTS_IN_KERNEL = 26;
const OTHER_IN_KERNEL = 27;

const TERMINAL_INODE = 6;

/** A descriptor: of which open file description it is, its O_* flags, and what it watches as an epoll instance. */
type Open = readonly [description: string, flags: number, epoll?: readonly EpollEntry[]];

/** Descriptions whose names begin with `tty` are of the old terminal. */
function process(pid: number, open: Readonly<Record<number, Open>>): PlannedProcess {
  const numbers = Object.keys(open).map(Number);
  const isMoving = (fd: number) => open[fd]![0].startsWith("tty");
  return {
    pid,
    fds: numbers.map((fd): Descriptor => {
      const [, flags, epoll = []] = open[fd]!;
      const ino = isMoving(fd) ? TERMINAL_INODE : 1000 + fd;
      return {
        fd,
        link: "",
        dev: DEVPTS,
        ino,
        rdev: 0,
        nlink: 1,
        isCharDevice: true,
        fdinfo: { flags, mntId: 1, ttyIndex: undefined, epoll },
      };
    }),
    moving: numbers.filter(isMoving),
  };
}

/** Some order of the descriptions, as the kernel has one. */
function byName([one]: Open, [other]: Open): ReturnType<Compare> {
  if (one === other) return "same";
  return one < other ? "before" : "after";
}

/** The plan for processes 1, 2, ... with these descriptors. */
function plan(...opens: Readonly<Record<number, Open>>[]) {
  const compare: Compare = (pid1, fd1, pid2, fd2) =>
    byName(opens[pid1 - 1]![fd1]!, opens[pid2 - 1]![fd2]!);
  return planJob(opens.map((open, index) => process(index + 1, open)), compare);
}

/** The plan's descriptions, by process: `index: fd fd`, with `+` for close-on-exec. */
function descriptions({ moves }: ReturnType<typeof plan>): string[][] {
  return moves.map((move) =>
    move.descriptions.map(({ index, descriptors }) =>
      `${index}: ${
        descriptors.map(({ fd, closeOnExec }) => `${fd}${closeOnExec ? "+" : ""}`).join(" ")
      }`
    )
  );
}

const watching = (tfd: number, changes: Partial<EpollEntry> = {}): EpollEntry => ({
  tfd,
  events: 0x80000001,
  data: 0xfedcba9876543210n,
  ino: TERMINAL_INODE,
  sdev: DEVPTS_IN_KERNEL,
  ...changes,
});

describe("planJob: open file descriptions", () => {
  it("is one for what a program inherits from its shell", () => {
    const one = plan({ 0: ["tty", O_RDWR], 1: ["tty", O_RDWR], 2: ["tty", O_RDWR] });
    assertEquals(one.flags, [O_RDWR]);
    assertEquals(descriptions(one), [["0: 0 1 2"]]);
  });

  it("is one for each old description, also when descriptors are in no order", () => {
    const several = plan({
      0: ["tty a", O_RDWR],
      1: ["tty b", O_WRONLY],
      2: ["tty a", O_RDWR],
      7: ["tty b", O_WRONLY],
      9: ["tty c", O_RDWR],
    });
    assertEquals(several.flags, [O_RDWR, O_WRONLY, O_RDWR]);
    assertEquals(descriptions(several), [["0: 0 2", "1: 1 7", "2: 9"]]);
  });

  it("is shared across processes, and numbered for all of them together", () => {
    const job = plan(
      { 0: ["tty a", O_RDWR], 1: ["pipe", O_WRONLY], 2: ["tty a", O_RDWR] },
      { 0: ["pipe", 0], 1: ["tty b", O_WRONLY], 2: ["tty a", O_RDWR] },
      { 5: ["tty b", O_WRONLY] },
    );
    assertEquals(job.flags, [O_RDWR, O_WRONLY]);
    assertEquals(descriptions(job), [["0: 0 2"], ["1: 1", "0: 2"], ["1: 5"]]);
  });

  it("is none for a process without a descriptor on the old terminal", () => {
    const job = plan({ 0: ["tty", O_RDWR] }, { 0: ["pipe", 0], 1: ["file", O_WRONLY] }, {});
    assertEquals(job.flags, [O_RDWR]);
    assertEquals(job.moves.slice(1), [
      { descriptions: [], registrations: [] },
      { descriptions: [], registrations: [] },
    ]);
  });

  it("is one for each descriptor when the kernel cannot tell what is shared", () => {
    const open = { 0: ["tty", O_RDWR], 1: ["tty", O_RDWR] } as const;
    const { flags } = planJob([process(1, open), process(2, open)], () => "unknown");
    assertEquals(flags, [O_RDWR, O_RDWR, O_RDWR, O_RDWR]);
  });
});

describe("planJob: descriptors that are forced", () => {
  const forced = (open: Readonly<Record<number, Open>>) => {
    const compare: Compare = (_pid1, fd1, _pid2, fd2) => byName(open[fd1]!, open[fd2]!);
    return planJob([{ ...process(1, open), forced: [0, 1, 2] }], compare);
  };

  it("share one for reading and writing as they shared the old one, O_NONBLOCK included", () => {
    const plan = forced({
      0: ["pipe", O_NONBLOCK],
      1: ["file", O_WRONLY | O_APPEND],
      2: ["file", O_WRONLY | O_APPEND],
      3: ["file", O_WRONLY | O_APPEND],
      4: ["tty", O_WRONLY],
    });
    assertEquals(plan.flags, [O_RDWR | O_NONBLOCK, O_RDWR, O_WRONLY]);
    assertEquals(descriptions(plan), [["0: 0", "1: 1 2", "2: 4"]]);
    assertEquals(plan.moves[0]!.descriptions.map(({ wasClosed }) => wasClosed), [
      false,
      false,
      false,
    ]);
  });

  it("are treated like any other when they are on the terminal", () => {
    const plan = forced({ 0: ["tty", 0], 1: ["tty1", O_WRONLY | O_CLOEXEC], 2: ["file", 0] });
    assertEquals(plan.flags, [0, O_WRONLY, O_RDWR]);
    assertEquals(descriptions(plan), [["0: 0", "1: 1+", "2: 2"]]);
  });

  it("share one when they were closed", () => {
    const plan = forced({ 1: ["file", O_WRONLY], 5: ["file", O_WRONLY] });
    assertEquals(plan.flags, [O_RDWR, O_RDWR]);
    assertEquals(descriptions(plan), [["0: 1", "1: 0 2"]]);
    assertEquals(plan.moves[0]!.descriptions.map(({ wasClosed }) => wasClosed), [false, true]);
  });
});

describe("planJob: flags", () => {
  it("keeps access and status flags, but close-on-exec and O_ASYNC", () => {
    const flags = O_RDWR | O_NONBLOCK | O_APPEND;
    const job = plan(
      { 0: ["tty a", flags | O_CLOEXEC | O_ASYNC], 1: ["tty b", O_WRONLY], 2: ["tty c", 0] },
    );
    assertEquals(job.flags, [flags, O_WRONLY, 0]);
  });

  it("keeps close-on-exec with each descriptor of one description", () => {
    const job = plan(
      { 0: ["tty", O_RDWR], 3: ["tty", O_RDWR | O_CLOEXEC] },
      { 3: ["tty", O_RDWR | O_CLOEXEC], 4: ["tty", O_RDWR] },
    );
    assertEquals(job.flags, [O_RDWR]);
    assertEquals(descriptions(job), [["0: 0 3+"], ["0: 3+ 4"]]);
  });
});

describe("planJob: epoll interests", () => {
  const registrations = (epoll: readonly EpollEntry[], more: Readonly<Record<number, Open>> = {}) =>
    plan({ 0: ["tty", O_RDWR], 3: ["epoll", O_RDWR, epoll], ...more }).moves[0]!.registrations;
  const interest = (epollFd: number, fd: number) => ({
    epollFd: remoteFd(epollFd),
    fd: remoteFd(fd),
    events: 0x80000001,
    data: 0xfedcba9876543210n,
  });

  it("are taken down whole for the old terminal, and for no other file", () => {
    const other = watching(5, { ino: 1005 });
    assertEquals(
      registrations([other, watching(0)], { 5: ["pipe", 0] }),
      [interest(3, 0)],
    );
  });

  it("are taken down for every descriptor of every instance", () => {
    assertEquals(
      registrations([watching(0), watching(4)], {
        4: ["tty", O_RDWR],
        6: ["epoll", O_RDWR, [watching(4)]],
      }),
      [interest(3, 0), interest(3, 4), interest(6, 4)],
    );
  });

  it("are left out when their number means another file by now", () => {
    assertEquals(registrations([watching(0, { ino: TERMINAL_INODE + 1 })]), []);
    assertEquals(registrations([watching(0, { sdev: OTHER_IN_KERNEL })]), []);
  });

  it("are left out when their number is closed by now", () => {
    assertEquals(registrations([watching(9)]), []);
  });

  it("are found by number alone when the kernel does not name the file", () => {
    assertEquals(registrations([watching(0, { ino: undefined })]), [interest(3, 0)]);
    assertEquals(registrations([watching(0, { sdev: undefined })]), [interest(3, 0)]);
    assertEquals(
      registrations([watching(5, { ino: undefined, sdev: undefined })], { 5: ["pipe", 0] }),
      [],
    );
  });

  it("are looked up in each process separately", () => {
    const epoll: Open = ["epoll", O_RDWR, [watching(0), watching(4)]];
    const { moves } = plan(
      { 0: ["tty", O_RDWR], 3: epoll },
      { 3: epoll, 4: ["tty", O_RDWR] },
      { 3: epoll },
    );
    assertEquals(moves.map((move) => move.registrations), [
      [interest(3, 0)],
      [interest(3, 4)],
      [],
    ]);
  });
});
