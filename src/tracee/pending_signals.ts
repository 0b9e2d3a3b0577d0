/** Signals that wait for a stopped process, and their senders: PTRACE_PEEKSIGINFO in ptrace(2). */
import { PTRACE_PEEKSIGINFO, PTRACE_PEEKSIGINFO_SHARED, SI_USER } from "../ffi/constants.ts";
import { addressOf } from "../ffi/memory.ts";
import { ptracePeeksiginfoArgs, siginfo } from "../ffi/structs.ts";
import { Struct } from "../struct.ts";
import { requestBuffer } from "./ptrace.ts";

/** So many pending signals are looked at. */
const MOST_PENDING = 64;
const PEEK_ALL = new Struct(ptracePeeksiginfoArgs)
  .set("flags", PTRACE_PEEKSIGINFO_SHARED)
  .set("nr", MOST_PENDING);

/**
 * Who has sent `signal`, where it is pending in the process as a whole, and was sent by kill(2): PIDs as that process
 * numbers others, 0 for one that it cannot see.
 */
export function peekSenders(tid: number, signal: number): number[] {
  const bytes = new Uint8Array(siginfo.size * MOST_PENDING);
  const address = Number(addressOf(PEEK_ALL.bytes));
  const count = requestBuffer(PTRACE_PEEKSIGINFO, tid, address, bytes);
  return Array.from(
    { length: count },
    (_, index) =>
      new Struct(siginfo, bytes.slice(index * siginfo.size, (index + 1) * siginfo.size)),
  ).filter((info) => info.get("si_signo") === signal && info.get("si_code") === SI_USER)
    .map((info) => info.get("si_pid"));
}
