/** What the call is that a thread has entered, as far as its arguments tell. */
import { CLONE_THREAD, MSG_PEEK } from "../../ffi/constants.ts";
import { readMemory } from "../../tracee/remote_memory.ts";
import { type Call, socketcall, socketcallBytes } from "../calls.ts";
import { unlessDead } from "./restart.ts";
import type { Thread } from "./table.ts";

/** Whether the clone call that `thread` is in makes a thread and no process. */
export function makesThread(thread: Thread): boolean {
  const { call } = thread;
  if (call?.effect !== "clone") return true;
  if (call.flags === "argument") return (thread.low(0) & CLONE_THREAD) !== 0;
  const address = BigInt(thread.high(0)) << 32n | BigInt(thread.low(0));
  const flags = unlessDead(() => readMemory(thread.tid, address, 4));
  return flags === undefined ||
    (new DataView(flags.buffer).getUint32(0, true) & CLONE_THREAD) !== 0;
}

/** The call behind socketcall(2), with its own arguments put in place. */
export function readSocketcall(thread: Thread): Call | undefined {
  const call = socketcall(thread.low(0));
  if (call === undefined) return undefined;
  const length = socketcallBytes(call);
  const bytes = unlessDead(() => readMemory(thread.tid, BigInt(thread.low(1)), length));
  if (bytes === undefined) return undefined;
  const view = new DataView(bytes.buffer);
  thread.args.fill(0);
  for (let at = 0; at < length; at += 4) thread.args[at / 2] = view.getUint32(at, true);
  return call;
}

/** Whether what it reads stays there to be read again: recv(2). */
export function isPeek(thread: Thread, call: Call): boolean {
  return "flags" in call && typeof call.flags === "number" &&
    (thread.low(call.flags) & MSG_PEEK) !== 0;
}

export function directionOf(call: Call): "output" | "input" {
  return "direction" in call ? call.direction : "output";
}
