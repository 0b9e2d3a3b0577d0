/**
 * Whether the calls of a move pass a seccomp filter that this reptyr is under itself. Such a filter cannot be read without
 * CAP_SYS_ADMIN, but it can be tried: a child inherits it, and makes those calls on a terminal of its own. The child also
 * undoes a step by itself, as after a reptyr that is killed.
 */
import { firstOf } from "../../../errors.ts";
import { SyscallError, TraceeDiedError } from "../../../errors.ts";
import { close } from "../../../ffi/descriptor.ts";
import { pidfdOpen } from "../../../ffi/process.ts";
import { orThrow } from "../../../ffi/raw.ts";
import { Pty } from "../../../tty/pty.ts";
import { isRefusal, makeCalls } from "./rehearsal_calls.ts";
import { startChild } from "./rehearsal_child.ts";
import type { Rehearsal } from "./shared_filter.ts";

let known: Rehearsal | undefined;

/** The outcome of the rehearsal. The first call takes some milliseconds. */
export function rehearse(): Rehearsal {
  return known ??= tryAll();
}

function tryAll(): Rehearsal {
  using cleanup = new DisposableStack();
  let step = "execve";
  try {
    const child = startChild(cleanup);
    const pty = cleanup.use(Pty.open());
    const pidfd = orThrow(pidfdOpen(child), `pidfd_open(${child})`);
    cleanup.defer(() => close(pidfd));
    makeCalls(child, pidfd, pty, (call) => step = call);
    return { outcome: "lives" };
  } catch (error) {
    return outcomeOf(error, step);
  }
}

function outcomeOf(error: unknown, call: string): Rehearsal {
  const first = firstOf(error);
  if (first instanceof TraceeDiedError) return { outcome: "killed", call };
  if (!(first instanceof SyscallError)) {
    return { outcome: "untried", why: first instanceof Error ? first.message : String(first) };
  }
  const name = first.call.replace(/\(.*/s, "");
  if (isRefusal(first.errno)) return { outcome: "refused", call: name, code: first.code };
  return { outcome: "untried", why: first.message };
}
