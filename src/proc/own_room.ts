/** Whether the limits of this program itself leave it enough for what it is about to do: getrlimit(2). Pure. */
import { RefusedError } from "../errors.ts";

/** Open files that every command gets along with: it takes 12 to be started at all. */
const FILES = 64;
/** Memory that V8's heap may still grow by: it grows by some MiB while processes are traced. */
const MEMORY = 64n << 20n;

export interface OwnRoom {
  /** RLIMIT_NOFILE. */
  readonly files: bigint;
  /** The soft limits of memory in bytes, and what of them is used. */
  readonly memory: readonly {
    readonly name: "RLIMIT_AS" | "RLIMIT_DATA";
    readonly option: string;
    readonly limit: bigint;
    readonly used: bigint;
  }[];
}

/** Why there is too little room, and what to do about it; undefined when there is enough. */
export function lackOfRoom(
  { files, memory }: OwnRoom,
  needed: number = FILES,
): RefusedError | undefined {
  if (files < needed) {
    return new RefusedError(
      `RLIMIT_NOFILE of this program is ${files}: it needs ${needed} open files`,
      [`Raise it where this program is started: ulimit -n ${needed}`],
    );
  }
  const short = memory.find(({ limit, used }) => limit < used + MEMORY);
  if (short === undefined) return undefined;
  const { name, limit, used, option } = short;
  return new RefusedError(
    `${name} of this program is ${limit} bytes: it has ${used} of them, and needs ${MEMORY} more`,
    [`Raise it where this program is started: ulimit ${option} unlimited`],
  );
}
