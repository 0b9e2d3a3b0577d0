/**
 * Calls that a stop breaks: they return EINTR, which is repaired after the stop (release.ts). If this program is killed in
 * between, they stay broken. docs/kill-safety.md has what the kernel makes of each call.
 */
import { ARCHITECTURES, ASK_BEFORE_STOP } from "../arch/mod.ts";
import { readWordBytes } from "../proc/auxv.ts";
import { readBlockedCall } from "../proc/blocked_call.ts";
import { isSocket } from "../proc/fds.ts";
import { readable } from "../proc/gone.ts";

/**
 * Transfers of any kind of file, the descriptor first. A stop breaks them only on sockets with a time limit, and /proc
 * does not show the limit.
 */
export const OF_ANY_FILE: readonly string[] = [
  "read",
  "write",
  "readv",
  "writev",
  "preadv2",
  "pwritev2",
];

interface Numbers {
  readonly breakable: ReadonlySet<number>;
  readonly ofAnyFile: ReadonlySet<number>;
}

const numbers = new Map<number, Numbers>(
  ARCHITECTURES.filter(({ earlyRestart }) => earlyRestart === undefined).map((arch) => {
    const calls = Object.entries(arch.eintrAfterStop);
    return [arch.addressBits / 8, {
      breakable: new Set(calls.map(([, number]) => number)),
      ofAnyFile: new Set(
        calls.filter(([name]) => OF_ANY_FILE.includes(name)).map(([, number]) => number),
      ),
    }];
  }),
);

/**
 * The threads of `tids` that sleep in a call which their stop may break. None on processors where such a call is repaired
 * only when the thread is let go: the order of stops changes nothing there.
 */
export function breakableOf(pid: number, tids: readonly number[]): ReadonlySet<number> {
  const [first] = tids;
  if (first === undefined || ASK_BEFORE_STOP) return new Set();
  const known = numbers.get(readable(() => readWordBytes(pid, first)) ?? 0);
  return new Set(known === undefined ? [] : tids.filter((tid) => isBreakable(pid, tid, known)));
}

function isBreakable(pid: number, tid: number, { breakable, ofAnyFile }: Numbers): boolean {
  const call = readBlockedCall(pid, tid);
  if (call === undefined) return false;
  const number = Number(call.number);
  return breakable.has(number) &&
    (!ofAnyFile.has(number) || isSocket(pid, tid, Number(call.args[0] ?? 0n)));
}
