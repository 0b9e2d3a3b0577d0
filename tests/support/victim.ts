/** Victims: processes of `tests/victims`, started on a terminal of their own. */
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { readProcText } from "../../src/proc/gone.ts";
import { listTids } from "../../src/proc/tasks.ts";
import { orDispose } from "./or_dispose.ts";
import { victim } from "./programs.ts";
import { Terminal, type TerminalOptions, waitUntil } from "./terminal.ts";

/** A victim that has said `ready`. `flags` are further ones for the compiler. */
export function startVictim(
  name: string,
  args: readonly (string | number)[] = [],
  { flags = [], ...options }: TerminalOptions & { readonly flags?: readonly string[] } = {},
): Terminal {
  const terminal = Terminal.start([victim(name, flags), ...args.map(String)], {
    label: [name, ...args].join(" "),
    ...options,
  });
  return orDispose(terminal, () => {
    terminal.expect(`ready ${terminal.pid}`);
    return terminal;
  });
}

/** SYS_write, in which a victim may be before it blocks: on x86_64, i386 and aarch64. */
const WRITE_CALLS = new Set(["1", "4", "64"]);

/** SYS_clock_nanosleep, which sleep(1) sleeps in: on x86_64 and aarch64. */
export const SLEEP_CALLS: ReadonlySet<number> = new Set([230, 115]);

/** Wait until thread `tid` sleeps in a system call; its number. */
export function untilBlocked(pid: number, tid = pid): number {
  return waitUntil(`thread ${tid} to block`, () => {
    const call = readProcText(pid, tid, "syscall")?.split(" ")[0] ?? "running";
    const asleep = readStat(pid, tid)?.state === "S";
    return asleep && /^\d+$/.test(call) && !WRITE_CALLS.has(call) ? Number(call) : undefined;
  });
}

/** Wait until every thread sleeps in a system call; the one that the first thread is in. */
export function untilAllBlocked(pid: number): number {
  for (const tid of listTids(pid) ?? []) untilBlocked(pid, tid);
  return untilBlocked(pid);
}

/** Wait until every thread has begun: pthread_create(3) bears them with all signals blocked. */
export function untilThreadsRun(pid: number): void {
  waitUntil(
    `the threads of process ${pid} to begin`,
    () => listTids(pid)?.every((tid) => readStatus(pid, tid)?.sigBlocked === 0n),
  );
}

/** Wait until the first thread of the process has ended, before others of it. */
export function untilLeaderEnded(pid: number): void {
  waitUntil(`thread ${pid} to end`, () => readStat(pid, pid)?.state === "Z");
}

/** Wait until the process is in `state`: the letter of proc_pid_stat(5). */
export function untilState(pid: number, state: string): void {
  waitUntil(`process ${pid} to be in state ${state}`, () => readStat(pid)?.state === state);
}
