/** When the ring is full, or about to be: waiting for room, having the thread held, and counting what is lost. Pure. */
import {
  BPF_RB_AVAIL_DATA,
  BPF_RB_CONS_POS,
  BPF_RB_FORCE_WAKEUP,
} from "../../ffi/bpf_constants.ts";
import { at, count, END, scratch, SCRATCH_TO_R6, STACK } from "./asm.ts";
import { ALARM, FLAG, LOSS, NEXT_PROGRAM, SCRATCH, STATS } from "./layout.ts";
import { field, header, type MirrorSettings, restRecord } from "./record_asm.ts";

/**
 * A wait is so many turns, of which each copies so many bytes so often for the time that takes: some ten milliseconds
 * together, in few instructions. A call waits so often at most; each time takes two of the 33 programs.
 */
const WAIT_TURNS = 1600;
const WAIT_COPIES = 4;
const WAIT_BYTES = 16384;
const WAITS = 10;
/**
 * The same for a call that found room, but little: some ten microseconds in a ring of the usual size, more in a smaller
 * one, which is sooner full.
 */
const SLOW_TURNS = 16;
const USUAL_RING = 64 << 20;
const MOST_SLOW_TURNS = 512;
/** So long after the first call that has waited in vain others still wait. */
const PATIENCE_NS = 1_000_000_000;

/**
 * Waits until our reader has made some room, for it may just be about to hold this thread. Preemption is off meanwhile, so
 * that this must not take long; and when our reader has read nothing for a while nobody waits for it any more: it may
 * have been stopped.
 */
export function waitText({ mark }: MirrorSettings): string {
  return `
    *(u64 *)${at(STACK.context)} = r1
    r2 = 1
    ${count(STATS.waits, "r2")}
    ${SCRATCH_TO_R6}
    ${alarm(true)}
    r9 = 0
  wait:
    ${idle().repeat(WAIT_COPIES)}
    r1 = map ring
    r2 = ${BPF_RB_AVAIL_DATA}
    call ringbuf_query
    if r0 < ${mark ?? 0} goto go_on
    r1 = ${header("tid", "u32")}
    *(u32 *)${at(STACK.key)} = r1
    r1 = map held
    r2 = r10
    r2 += -${STACK.key}
    call map_lookup_elem
    if r0 == 0 goto not_held
    // It stops before it runs on: its memory can be read then.
    r1 = ${scratch(SCRATCH.isFirst)}
    r1 |= ${FLAG.last}
    ${header("flags", "u8")} = r1
    ${restRecord()}
    if r0 == 0 goto out
  not_held:
    r9 += 1
    if r9 < ${WAIT_TURNS} goto wait
    r1 = ${scratch(SCRATCH.waits)}
    r1 += 1
    ${scratch(SCRATCH.waits)} = r1
    if r1 < ${WAITS} goto go_on
  in_vain:
    r1 = map ring
    r2 = ${BPF_RB_CONS_POS}
    call ringbuf_query
    r0 += 1
    r6 = value stats + 0
    r1 = *(u64 *)(r6 + ${STATS.vain})
    if r0 == r1 goto go_on
    *(u64 *)(r6 + ${STATS.vain}) = r0
    call ktime_get_ns
    *(u64 *)(r6 + ${STATS.vainSince}) = r0
  go_on:
    r1 = *(u64 *)${at(STACK.context)}
    r2 = map programs
    r3 = ${NEXT_PROGRAM.goOn}
    call tail_call
    ${SCRATCH_TO_R6}
    // Not once more: how many programs may follow one another is bounded.
    ${loseAll("out")}
    ${END}`;
}

function idle(): string {
  return `
    r1 = r6
    r1 += ${SCRATCH.data}
    r2 = ${WAIT_BYTES}
    r3 = r6
    call probe_read_kernel`;
}

/**
 * Take some time: our reader may be next on this very processor, and gets it between two calls only. Without this the
 * ring is full before that.
 */
export function slowDown({ ringBytes }: MirrorSettings): string {
  const turns = Math.min(SLOW_TURNS * Math.max(USUAL_RING / ringBytes, 1), MOST_SLOW_TURNS);
  return `
    r9 = 0
  slow:
    ${idle().repeat(WAIT_COPIES)}
    r9 += 1
    if r9 < ${turns} goto slow`;
}

export function waitForRoom(): string {
  return `
    r1 = ${scratch(SCRATCH.waits)}
    if r1 >= ${WAITS} goto lose_this
    r1 = map ring
    r2 = ${BPF_RB_CONS_POS}
    call ringbuf_query
    r0 += 1
    r8 = value stats + 0
    r1 = *(u64 *)(r8 + ${STATS.vain})
    if r0 != r1 goto wait
    call ktime_get_ns
    r1 = *(u64 *)(r8 + ${STATS.vainSince})
    r0 -= r1
    if r0 > ${PATIENCE_NS} goto lose_this
  wait:
    r1 = *(u64 *)${at(STACK.context)}
    r2 = map programs
    r3 = ${NEXT_PROGRAM.wait}
    call tail_call`;
}

/** All that is left of the call is lost; then to `next`. How long messages are that were not begun with is not known. */
export function loseAll(next: string): string {
  return `
    r1 = ${field("messages")}
    if r1 == 0 goto known_length
    r2 = 1
    ${count(STATS.untold, "r2")}
  known_length:
    ${lose(next, "loss_of_all")}`;
}

/** What is left of the call, or of the message at hand, is lost; then to `next`. */
export function lose(next: string, label = "loss"): string {
  return `
    r7 = ${field("left")}
    ${count(STATS.lost, "r7")}
    r1 = ${header("pid", "u32")}
    *(u32 *)${at(STACK.d - LOSS.pid)} = r1
    r1 = ${header("tid", "u32")}
    *(u32 *)${at(STACK.d - LOSS.tid)} = r1
    r1 = ${header("fd", "u32")}
    *(u32 *)${at(STACK.d - LOSS.fd)} = r1
    r1 = ${header("stream", "u8")}
    *(u32 *)${at(STACK.d - LOSS.stream)} = r1
    r1 = map losses
    r2 = r10
    r2 += -${STACK.d}
    call map_lookup_elem
    if r0 == 0 goto first_${label}
    lock *(u64 *)(r0 + 0) += r7
    goto ${next}
  first_${label}:
    *(u64 *)${at(STACK.f)} = r7
    r1 = map losses
    r2 = r10
    r2 += -${STACK.d}
    r3 = r10
    r3 += -${STACK.f}
    r4 = 0
    call map_update_elem
    goto ${next}`;
}

/** Go on when more waits to be read than should; else to `out`. */
export function unlessBelow(mark: number): string {
  return `
    r1 = map ring
    r2 = ${BPF_RB_AVAIL_DATA}
    call ringbuf_query
    if r0 < ${mark} goto out`;
}

/** Tell that this thread is to be held; `inside`: that it waits for that. */
export function alarm(inside: boolean): string {
  return `
    r1 = ${header("tid", "u32")}
    *(u32 *)${at(STACK.b - ALARM.tid)} = r1
    r1 = ${header("pid", "u32")}
    *(u32 *)${at(STACK.b - ALARM.pid)} = r1
    *(u64 *)${at(STACK.b - ALARM.inside)} = ${inside ? 1 : 0}
    r1 = map alarms
    r2 = r10
    r2 += -${STACK.b}
    r3 = ${ALARM.size}
    r4 = ${BPF_RB_FORCE_WAKEUP}
    call ringbuf_output`;
}
