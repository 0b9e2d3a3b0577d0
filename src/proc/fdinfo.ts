/** /proc/PID/fdinfo/FD: proc_pid_fdinfo(5). */

/** One registration in an epoll instance: `struct epoll_event` and the file it watches. */
export interface EpollEntry {
  /** Descriptor number at the time of EPOLL_CTL_ADD. */
  readonly tfd: number;
  /** EPOLL* bits, EPOLLET (1 << 31) included, so read it as unsigned. */
  readonly events: number;
  /** `epoll_data`, all 64 bits. */
  readonly data: bigint;
  /** Inode and file system of the watched file; undefined on kernels that do not print them. */
  readonly ino: number | undefined;
  /** In the kernel's own encoding: `decodeKernelDevice()`. */
  readonly sdev: number | undefined;
}

export interface FdInfo {
  /** O_* status flags and access mode; O_CLOEXEC is the descriptor's close-on-exec. */
  readonly flags: number;
  /** Id of the mount the file was opened on, as in /proc/PID/mountinfo. */
  readonly mntId: number;
  /** For a pty master: N of its slave /dev/pts/N. */
  readonly ttyIndex: number | undefined;
  /** For an epoll instance: what it watches. Empty for every other file. */
  readonly epoll: readonly EpollEntry[];
}

/**
 * Parses one fdinfo file. `flags` is octal; in an epoll line `tfd` is decimal and everything else hex
 * without 0x (fs/eventpoll.c, ep_show_fdinfo). Throws SyntaxError without `flags` and `mnt_id`.
 */
export function parseFdinfo(text: string): FdInfo {
  const flags = FLAGS.exec(text)?.[1];
  const mntId = decimal(MOUNT_ID, text);
  if (flags === undefined || mntId === undefined) {
    throw new SyntaxError(`Not an fdinfo file: ${JSON.stringify(text.slice(0, 80))}`);
  }
  return {
    flags: parseInt(flags, 8),
    mntId,
    ttyIndex: decimal(TTY_INDEX, text),
    epoll: !text.includes("tfd:")
      ? []
      : text.split("\n").map(parseEpollLine).filter((entry) => entry !== undefined),
  };
}

// Not with the flag `m`: a name that a process has given to a file, as to a dma-buf, may hold a carriage return.
const FLAGS = /(?:^|\n)flags:[ \t]*([0-7]+)(?:\n|$)/;
const MOUNT_ID = /(?:^|\n)mnt_id:[ \t]*(\d+)(?:\n|$)/;
const TTY_INDEX = /(?:^|\n)tty-index:[ \t]*(\d+)(?:\n|$)/;

function decimal(line: RegExp, text: string): number | undefined {
  const digits = line.exec(text)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

function parseEpollLine(line: string): EpollEntry | undefined {
  const match = line.match(/^tfd:\s*(\d+)\s+events:\s*([0-9a-f]+)\s+data:\s*([0-9a-f]+)/);
  if (match === null) return undefined;
  const hex = (name: string): number | undefined => {
    const digits = line.match(new RegExp(`\\b${name}:\\s*([0-9a-f]+)`))?.[1];
    return digits === undefined ? undefined : parseInt(digits, 16);
  };
  const [, tfd, events = "", data] = match;
  return {
    tfd: Number(tfd),
    events: parseInt(events, 16),
    data: BigInt(`0x${data}`),
    ino: hex("ino"),
    sdev: hex("sdev"),
  };
}
