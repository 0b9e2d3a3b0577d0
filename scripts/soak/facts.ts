/** What is known of a process at one time, from /proc and from its own page. */
import { O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_RDONLY, SIGHUP } from "../../src/ffi/constants.ts";
import { close, open } from "../../src/ffi/descriptor.ts";
import { type Descriptor, readFds } from "../../src/proc/fds.ts";
import { type Mapping, readMaps } from "../../src/proc/maps.ts";
import { isLive, readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { listTids } from "../../src/proc/tasks.ts";
import { tryGetTermios } from "../../src/tty/termios.ts";
import type { Facts } from "./judge.ts";
import type { Page } from "./page.ts";

export interface FactsOptions {
  /** Whether it is the one that is asked for, which keeps a controlling terminal. */
  readonly isTarget: boolean;
  readonly isRestless: boolean;
}

/** The terminal that descriptor 0 of `pid` is open on; with ` (deleted)` behind it when that has hung up. */
export function terminalOf(pid: number): string {
  try {
    return Deno.readLinkSync(`/proc/${pid}/fd/0`);
  } catch {
    return "";
  }
}

export function isDead(terminal: string): boolean {
  return !/^\/dev\/pts\/\d+$/.test(terminal);
}

export function tracersOf(pid: number): number[] {
  return (listTids(pid) ?? []).map((tid) => readStatus(pid, tid)?.tracerPid ?? 0)
    .filter((tracer) => tracer !== 0);
}

export function factsOf(page: Page, { isTarget, isRestless }: FactsOptions): Facts {
  const { pid } = page;
  const tids = listTids(pid) ?? [];
  const status = readStatus(pid);
  const stats = tids.map((tid) => readStat(pid, tid)).filter((stat) =>
    stat !== undefined && isLive(stat)
  );
  const fds = readFds(pid, pid) ?? [];
  const terminals = fds.filter(({ link }) => link.startsWith("/dev/pts/"));
  const maps = (readMaps(pid, pid) ?? []).filter(({ inode }) => !isRestless || inode !== 0n);
  const set = (signals = 0n) => (signals & ~(1n << BigInt(SIGHUP - 1))).toString(16);
  return {
    pid,
    page,
    states: stats.map((stat) => stat!.state).join(""),
    tracers: tracersOf(pid),
    masks: tids.map((tid) => `${tid}: ${readStatus(pid, tid)?.sigBlocked.toString(16)}`),
    dispositions: `ignored ${set(status?.sigIgnored)} caught ${set(status?.sigCaught)}`,
    files: fds.filter((fd) => !terminals.includes(fd)).map((fd) => ({
      text: fileText(fd),
      closesOnExec: (fd.fdinfo.flags & O_CLOEXEC) !== 0,
    })),
    terminals: [...new Set(terminals.map(({ link }) => link))],
    terminalFds: terminals.length,
    mappings: maps.map(mappingText),
    hasTerminal: isTarget && (readStat(pid)?.ttyNr ?? 0) !== 0,
    settings: isTarget ? settingsBehind(terminalOf(pid)) : undefined,
  };
}

/** Without what a look from outside finds otherwise each time. */
function fileText({ fd, link, dev, ino, fdinfo }: Descriptor): string {
  const epoll = fdinfo.epoll.map(({ tfd, events, data }) => `${tfd}:${events}:${data}`).sort();
  return [fd, link, dev, ino, fdinfo.flags.toString(8), ...epoll].join(" ");
}

/** The kernel lets stack and heap grow. */
function mappingText({ path, start, end, readable, writable, executable, shared }: Mapping) {
  if (path === "[stack]" || path === "[heap]") return path;
  const access = [readable && "r", writable && "w", executable && "x", shared && "s"];
  return [
    path || "anonymous",
    access.filter(Boolean).join(""),
    start.toString(16),
    end.toString(16),
  ]
    .join(" ");
}

function settingsBehind(terminal: string): string | undefined {
  if (isDead(terminal)) return undefined;
  try {
    const fd = open(terminal, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    const settings = tryGetTermios(fd)?.bytes.toHex();
    close(fd);
    return settings;
  } catch {
    return undefined;
  }
}
