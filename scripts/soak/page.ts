/** What tests/victims/storm.c reports of itself, in a file that outlives it. Pure. */

/** In the order of the victim's own list. */
export const CALLS = [
  "read of the terminal",
  "poll",
  "epoll_wait",
  "select",
  "read of a pipe",
  "recv",
  "accept",
  "semtimedop",
  "sigtimedwait",
  "futex",
  "clock_nanosleep",
] as const;

/** SIGRTMIN + 1 of the C library: each one that is sent is one that is handled. */
export const COUNTED_SIGNAL = 35;
/** Handled, too. */
export const SIGUSR1 = 10;
/** By default these do nothing. */
export const SIGCHLD = 17;
export const SIGURG = 23;

export const PAGE_SIZE = 4096;
/** Of one file: the processes of a family. */
export const PAGES = 3;

export interface CallCounts {
  readonly returned: number;
  readonly interrupted: number;
  /** With an error that nothing explains, the last of which was `error`. */
  readonly failed: number;
  readonly error: number;
}

export interface Page {
  readonly pid: number;
  /** How often the computing thread was right or wrong, and how often wrong. */
  readonly rounds: number;
  readonly corrupt: number;
  /** By number. */
  readonly signals: readonly number[];
  readonly calls: readonly CallCounts[];
  /** How a child of it ended that executes programs without end, by wait(2); undefined while it lives, or has none. */
  readonly childStatus: number | undefined;
}

const SIGNALS = 65;
const WORDS_OF_CALL = 4;

/** Of each process that has begun. */
export function parsePages(bytes: Uint8Array): Page[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: PAGES }, (_, index) => {
    let at = index * PAGE_SIZE;
    const next = () => {
      const value = Number(view.getBigUint64(at, true));
      at += 8;
      return value;
    };
    const [pid, rounds, corrupt] = [next(), next(), next()];
    const signals = Array.from({ length: SIGNALS }, next);
    const calls = CALLS.map(() => {
      const [returned, interrupted, failed, error] = Array.from({ length: WORDS_OF_CALL }, next);
      return {
        returned: returned!,
        interrupted: interrupted!,
        failed: failed!,
        error: error!,
      };
    });
    const ended = next();
    const childStatus = ended === 0 ? undefined : Math.floor(ended / 256);
    return { pid, rounds, corrupt, signals, calls, childStatus };
  }).filter(({ pid }) => pid !== 0);
}
