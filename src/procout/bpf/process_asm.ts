/** The programs that follow processes from their birth to their end. Pure. They may be preempted: no scratch memory. */
import { SIGWINCH } from "../../ffi/constants.ts";
import {
  at,
  count,
  END,
  identify,
  type KernelOffsets,
  type Namespace,
  numberIn,
  onlyWatched,
  peek,
  PIDTYPE_TGID,
  STACK,
} from "./asm.ts";
import { KIND, PROCESS, RECORD, STATS } from "./layout.ts";

export interface ProcessSettings {
  readonly kernel: KernelOffsets;
  readonly namespace: Namespace | undefined;
}

/** At sched_process_fork: a child of a watched process, which has not run yet, is watched from now on. */
export function forkText({ kernel, namespace }: ProcessSettings): string {
  const child = `*(u64 *)${at(STACK.d)}`;
  return `
    r6 = *(u64 *)(r1 + 8)
    ${identify(kernel, namespace)}
    ${onlyWatched()}
    ${child} = r6
    ${peek(STACK.b, 8, child, kernel["task_struct.signal"])}
    ${peek(STACK.b, 8, `*(u64 *)${at(STACK.b)}`, kernel["signal_struct.pids"] + 8 * PIDTYPE_TGID)}
    ${numberIn(STACK.a, STACK.b, kernel, namespace)}
    r1 = *(u32 *)${at(STACK.a)}
    r2 = *(u32 *)${at(STACK.pid)}
    if r1 == r2 goto out // a thread
    *(u32 *)${at(STACK.b)} = ${PROCESS.watched}
    r1 = map processes
    r2 = r10
    r2 += -${STACK.a}
    r3 = r10
    r3 += -${STACK.b}
    r4 = 0
    call map_update_elem
    if r0 == 0 goto out
    r2 = 1
    ${count(STATS.unfollowed, "r2")}
    ${END}`;
}

/** At sched_process_exit, where each thread comes by: the last one ends its process. */
export function exitText({ kernel, namespace }: ProcessSettings): string {
  return `
    r6 = *(u64 *)(r1 + 0)
    ${identify(kernel, namespace)}
    ${onlyWatched()}
    ${peek(STACK.b, 8, "r6", kernel["task_struct.signal"])}
    ${peek(STACK.b, 4, `*(u64 *)${at(STACK.b)}`, kernel["signal_struct.live"])}
    r1 = *(u32 *)${at(STACK.b)}
    if r1 != 0 goto out
    r1 = map processes
    r2 = r10
    r2 += -${STACK.pid}
    call map_delete_elem
    if r0 != 0 goto out
    ${tell(KIND.end)}
    ${END}`;
}

/** At signal_deliver. */
export function signalText({ kernel, namespace }: ProcessSettings): string {
  return `
    r1 = *(u64 *)(r1 + 0)
    if w1 != ${SIGWINCH} goto out
    ${identify(kernel, namespace)}
    ${onlyWatched()}
    ${tell(KIND.resize)}
    ${END}`;
}

/** A record of `kind` without anything but who and when. Where there is no room for it no byte is lost with that. */
function tell(kind: number): string {
  const place = (offset: number) => at(STACK.record - offset);
  const zeros = Array.from({ length: RECORD.size / 8 }, (_, index) => `
    *(u64 *)${place(8 * index)} = 0`).join("");
  return `
    ${zeros}
    *(u8 *)${place(RECORD.kind)} = ${kind}
    r1 = *(u64 *)${at(STACK.tid)}
    *(u64 *)${place(RECORD.tid)} = r1
    call ktime_get_ns
    *(u64 *)${place(RECORD.time)} = r0
    r1 = value stats + ${STATS.lost}
    r1 = *(u64 *)(r1 + 0)
    *(u64 *)${place(RECORD.lost)} = r1
    r1 = map ring
    r2 = r10
    r2 += -${STACK.record}
    r3 = ${RECORD.size}
    r4 = 0
    call ringbuf_output`;
}

/** How deep in the tree of pid namespaces the process is that runs this. */
export function levelText({ kernel }: ProcessSettings): string {
  return `
    call get_current_task
    ${peek(STACK.a, 8, "r0", kernel["task_struct.thread_pid"])}
    ${peek(STACK.b, 4, `*(u64 *)${at(STACK.a)}`, kernel["pid.level"])}
    r0 = *(u32 *)${at(STACK.b)}
    exit
  out:
    r0 = -1
    exit`;
}
