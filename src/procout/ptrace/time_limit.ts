/**
 * When a call has to end by its own timeout, wherever that stands. A call that is made again after a stop would begin it
 * anew; nothing of that may be written into the program, which would keep it if this program were killed meanwhile.
 */
import type { Architecture, BlockedCall } from "../../arch/mod.ts";
import { KCMP_FILES } from "../../ffi/constants.ts";
import { close } from "../../ffi/descriptor.ts";
import { kcmp, pidfdGetfd, pidfdOpen } from "../../ffi/process.ts";
import { socketTimeout } from "../../ffi/socket.ts";
import { isSocket } from "../../proc/fds.ts";
import { readable } from "../../proc/gone.ts";
import { OF_ANY_FILE } from "../../tracee/breakable_calls.ts";
import { readMemory } from "../../tracee/remote_memory.ts";
import type { Thread, TimeLimit } from "./table.ts";
import {
  millisecondsOf,
  resultAfter,
  type Timeout,
  timeoutOf,
  timespecMilliseconds,
} from "./timeouts.ts";

/** One of them may be a program's. */
const OF_TWO_FILES: readonly string[] = ["sendfile", "sendfile64", "splice"];

/** Who waits for longer than some decades waits for ever. */
const LONGEST_MS = 2 ** 40;

/** The limit of `call`, which `thread` is in; undefined when it has none. */
export function timeLimit(
  thread: Thread,
  arch: Architecture,
  call: BlockedCall,
): TimeLimit | undefined {
  if (thread.since === undefined) return undefined;
  const name = nameOf(arch, call.number);
  if (name === undefined) return undefined;
  const timeout = timeoutOf(name, arch.addressBits, argument(call, 0));
  if (timeout === undefined) return undefined;
  const milliseconds = read(thread, call, timeout);
  if (milliseconds === undefined || milliseconds > LONGEST_MS) return undefined;
  return { call, end: thread.since + milliseconds, result: resultAfter(name) };
}

/**
 * Whether nothing but a signal makes `call` return EINTR, and the kernel would make it again if it was none that is handled.
 * A file that a program serves may answer EINTR to a transfer.
 */
export function isBrokenBySignalOnly(
  { tid, process: { pid } }: Thread,
  arch: Architecture,
  call: BlockedCall,
): boolean {
  const name = nameOf(arch, call.number);
  if (name === undefined || OF_TWO_FILES.includes(name)) return false;
  return !OF_ANY_FILE.includes(name) ||
    isSocket(pid, tid, Number(BigInt.asIntN(32, argument(call, 0))));
}

function nameOf({ eintrAfterStop }: Architecture, number: bigint): string | undefined {
  return Object.entries(eintrAfterStop).find(([, one]) => BigInt(one) === number)?.[0];
}

function read(thread: Thread, call: BlockedCall, timeout: Timeout): number | undefined {
  switch (timeout.kind) {
    case "milliseconds":
      return millisecondsOf(argument(call, timeout.argument));
    case "timespec": {
      const address = argument(call, timeout.argument);
      if (address === 0n) return undefined;
      return timespecMilliseconds(readMemory(thread.tid, address, timeout.isWide ? 16 : 8));
    }
    case "socket":
      return readSocket(
        thread,
        timeout.isPointed
          ? pointedWord(thread, argument(call, 1))
          : Number(BigInt.asIntN(32, argument(call, 0))),
        timeout.option,
      );
  }
}

/** A call has six arguments, used or not. */
function argument({ args }: BlockedCall, index: number): bigint {
  return args[index] ?? 0n;
}

function pointedWord({ tid }: Thread, address: bigint): number {
  return new DataView(readMemory(tid, address, 4).buffer).getInt32(0, true);
}

function readSocket({ process, tid }: Thread, fd: number, option: number): number | undefined {
  const { pid } = process;
  // pidfd_getfd(2) knows the descriptors of the first thread only.
  if (tid !== pid && kcmp(pid, tid, KCMP_FILES, 0, 0) !== 0) return undefined;
  // To close anything else may be to wait for a program that stands still.
  const link = readable(() => Deno.readLinkSync(`/proc/${pid}/fd/${fd}`));
  if (!link?.startsWith("socket:[")) return undefined;
  process.pidfd ??= pidfdOpen(pid);
  const socket = process.pidfd < 0 ? -1 : pidfdGetfd(process.pidfd, fd);
  if (socket < 0) return undefined;
  try {
    return socketTimeout(socket, option);
  } finally {
    close(socket);
  }
}
