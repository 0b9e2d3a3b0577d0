/**
 * The program at the tracepoint sys_exit: what a call moved, into the ring. Pure.
 *
 * It is in two parts. The first finds out whether the call matters and fills in SCRATCH; the second works off SCRATCH.rest
 * piece by piece. As that is bounded only by the call's length, and a program's length is bounded, the second part is a
 * program of its own, too, which goes on where the one before has stopped. All that lives across its turns is in the
 * scratch memory, of which the verifier knows no values: so one turn is to it like the next, and is looked at once.
 */
import type { SavedRegisters } from "../../arch/pt_regs.ts";
import {
  ALARM,
  BIG_PIECE,
  CALL,
  CALL_BASE,
  EFFECT,
  FLAG,
  KIND,
  LOSS,
  NEXT_PROGRAM,
  NO_ARGUMENT,
  RECORD,
  REST,
  SCRATCH,
  SMALL_PIECE,
  STATS,
} from "./layout.ts";
import { streamOfFile } from "./files_text.ts";
import { MESSAGE_LAYOUT } from "../calls.ts";
import {
  at,
  count,
  END,
  identify,
  type KernelOffsets,
  type Namespace,
  onlyWatched,
  peek,
  scratch,
  SCRATCH_TO_R6,
  STACK,
} from "./text.ts";
import {
  BPF_RB_AVAIL_DATA,
  BPF_RB_CONS_POS,
  BPF_RB_FORCE_WAKEUP,
} from "../../ffi/bpf_constants.ts";

export interface MirrorSettings {
  readonly registers: SavedRegisters;
  readonly kernel: KernelOffsets;
  readonly namespace: Namespace | undefined;
  /** Offset in task_struct of `thread_info.status`, where the kernel runs 32-bit programs, too. */
  readonly threadStatus: number | undefined;
  /** Whether the descriptors are those of a map; else 1, 2 and others of the same files. */
  readonly hasNumbers: boolean;
  /** Whether there are outputs that a command was given by us. */
  readonly hasGiven: boolean;
  /** Also what is read from descriptor 0. */
  readonly stdin: boolean;
  readonly ringBytes: number;
  /** Tell by an alarm, and wait for room, when more than so many bytes wait to be read. */
  readonly mark: number | undefined;
}

/** thread_info.status of x86: the call came through the 32-bit entry. */
const TS_COMPAT = 0x2;

/** Turns of the second part in one program. They may go on in another one 33 times (MAX_TAIL_CALL_CNT). */
const TURNS = 48;
/** Rings below this have no room for big pieces. */
const SMALLEST_FOR_BIG = 16 * BIG_PIECE;
/**
 * A wait is so many turns, of which each copies so many bytes so often for the time that takes: some ten milliseconds
 * together, in few instructions. A call waits so often at most; each time takes two of the 33 programs.
 */
const WAIT_TURNS = 1600;
const WAIT_COPIES = 4;
const WAIT_BYTES = 16384;
const WAITS = 4;
/** So long after the first call that has waited in vain others still wait. */
const PATIENCE_NS = 1_000_000_000;

const field = (name: keyof typeof REST, type?: string) =>
  scratch(SCRATCH.rest + (REST[name]), type);
const header = (name: keyof typeof RECORD, type: string) =>
  scratch(SCRATCH.record + RECORD[name], type);

/** The program itself. */
export function mirrorText(settings: MirrorSettings): string {
  const { registers, kernel } = settings;
  return `
    r9 = r1
    r7 = *(u64 *)(r9 + 8)
    if r7 s< 0 goto out
    *(u64 *)${at(STACK.context)} = r9
    ${identify(kernel, settings.namespace)}
    ${onlyWatched("other_process")}
    ${SCRATCH_TO_R6}
    *(u64 *)(r6 + ${SCRATCH.waits}) = 0
    r1 = r6
    r2 = ${registers.bytes}
    r3 = *(u64 *)(r9 + 0)
    call probe_read_kernel
    if r0 != 0 goto out
    ${numberAndArguments(settings)}
  look_up:
    ${LOOK_UP}
    if r1 == ${EFFECT.socketcall} goto socketcall
  known:
    if r1 == ${EFFECT.unseen} goto descriptor
    if r7 == 0 goto out
  descriptor:
    r1 = *(u64 *)${at(STACK.tid)}
    *(u64 *)(r6 + ${SCRATCH.record + RECORD.tid}) = r1
    r1 = *(u8 *)(r8 + ${CALL.input})
    ${header("input", "u8")} = r1
    r1 = *(u8 *)(r8 + ${CALL.fd})
    if r1 == ${NO_ARGUMENT} goto no_descriptor
    ${argument("r1")}
    ${header("fd", "u32")} = r1
    r2 = *(u8 *)(r8 + ${CALL.input})
    if r2 != 0 goto input
    ${settings.hasNumbers ? streamOfNumber() : streamOfStandard(settings)}
  found:
    ${header("stream", "u8")} = r1
  wanted:
    call ktime_get_ns
    ${header("time", "u64")} = r0
    r1 = *(u8 *)(r8 + ${CALL.effect})
    if r1 == ${EFFECT.buffer} goto buffer
    if r1 == ${EFFECT.vector} goto vector
    if r1 == ${EFFECT.message} goto message
    if r1 == ${EFFECT.messages} goto messages
    goto unseen
  no_descriptor:
    *(u32 *)(r6 + ${SCRATCH.record + RECORD.fd}) = -1
    *(u8 *)(r6 + ${SCRATCH.record + RECORD.stream}) = 1
    goto wanted
  input:
    if w1 != 0 goto out
    ${settings.stdin ? "goto found" : "goto out"}

  unseen:
    *(u32 *)(r6 + ${SCRATCH.record + RECORD.length}) = 0
    ${fillHeader(KIND.unseen)}
    r3 = ${RECORD.size}
    ${OUTPUT}
    if r0 == 0 goto out
    r2 = 1
    ${count(STATS.untold, "r2")}
    goto out

  buffer:
    r1 = *(u8 *)(r8 + ${CALL.address})
    ${argument("r1")}
    ${field("address")} = r1
    r1 = *(u8 *)(r8 + ${CALL.length})
    ${argument("r1")}
    if r1 > r7 goto whole_result
    r7 = r1
  whole_result:
    ${field("left")} = r7
    ${field("segmentLeft")} = r7
    *(u64 *)(r6 + ${SCRATCH.rest + REST.segments}) = 0
    *(u64 *)(r6 + ${SCRATCH.rest + REST.messages}) = 0
    goto first
  vector:
    ${field("left")} = r7
    r1 = *(u8 *)(r8 + ${CALL.address})
    ${argument("r1")}
    ${field("vector")} = r1
    r1 = *(u8 *)(r8 + ${CALL.length})
    ${argument("r1")}
    ${field("segments")} = r1
    *(u64 *)(r6 + ${SCRATCH.rest + REST.segmentLeft}) = 0
    *(u64 *)(r6 + ${SCRATCH.rest + REST.messages}) = 0
    goto first
  message:
    ${field("left")} = r7
    *(u64 *)(r6 + ${SCRATCH.rest + REST.messages}) = 0
    r1 = *(u8 *)(r8 + ${CALL.address})
    ${argument("r1")}
    ${field("message")} = r1
    r9 = 0
    goto message_header
  messages:
    ${field("messages")} = r7
    r1 = *(u8 *)(r8 + ${CALL.address})
    ${argument("r1")}
    ${field("message")} = r1
    r9 = 0
    goto next_message
  first:
    *(u64 *)(r6 + ${SCRATCH.isFirst}) = 1
    ${workOff(settings)}

  socketcall:
    r1 = r6
    r1 += ${SCRATCH.segment}
    r2 = 12
    r3 = ${scratch(SCRATCH.args + 8)}
    call probe_read_user
    if r0 != 0 goto out
    r8 = ${scratch(SCRATCH.args)}
    if r8 >= ${CALL_BASE.end - CALL_BASE.socketcall} goto out
    ${
    [0, 1, 2].map((index) => `
    r1 = ${scratch(SCRATCH.segment + 4 * index, "u32")}
    ${scratch(SCRATCH.args + 8 * index)} = r1`).join("")
  }
    r8 += ${CALL_BASE.socketcall}
    ${LOOK_UP}
    goto known
  other_process:
    r2 = 1
    ${count(STATS.pings, "r2")}
    call ktime_get_ns
    r1 = value stats + ${STATS.pingTime}
    *(u64 *)(r1 + 0) = r0
    ${END}`;
}

/** The second part, for calls of many pieces. */
export function goOnText(settings: MirrorSettings): string {
  return `
    *(u64 *)${at(STACK.context)} = r1
    ${SCRATCH_TO_R6}
    ${workOff(settings)}
    ${END}`;
}

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

/** r8 = the element of the call table with index r8, r1 = its effect; to `out` for a call that does not matter. */
const LOOK_UP = `
    *(u32 *)${at(STACK.key)} = r8
    ${header("call", "u32")} = r8
    r1 = map calls
    r2 = r10
    r2 += -${STACK.key}
    call map_lookup_elem
    if r0 == 0 goto out
    r8 = r0
    r1 = *(u8 *)(r8 + ${CALL.effect})
    if r1 == 0 goto out`;

/** r1 = the argument whose index is in `register`. */
function argument(register: string): string {
  return `
    ${register} &= 7
    ${register} <<= 3
    r2 = r6
    r2 += ${register}
    r1 = *(u64 *)(r2 + ${SCRATCH.args})`;
}

function numberAndArguments({ registers, threadStatus }: MirrorSettings): string {
  const { args, args32, foreign, number, numberBytes } = registers;
  const move = (offsets: readonly number[], type: string) =>
    offsets.map((offset, index) => `
    r1 = ${scratch(SCRATCH.registers + offset, type)}
    ${scratch(SCRATCH.args + 8 * index)} = r1`).join("");
  const known = foreign === undefined ? "" : `
    r1 = ${scratch(SCRATCH.registers + foreign.offset, "u32")}
    if r1 & ${foreign.mask} goto out`;
  const native = `
    ${known}
    r8 = ${scratch(SCRATCH.registers + number, numberBytes === 8 ? "u64" : "u32")}
    if r8 >= ${CALL_BASE.compat} goto out
    ${move(args, "u64")}
    *(u64 *)(r6 + ${SCRATCH.rest + REST.wordBytes}) = 8`;
  if (args32 === undefined || threadStatus === undefined) return native;
  return `
    call get_current_task
    ${peek(STACK.a, 4, "r0", threadStatus)}
    r1 = *(u32 *)${at(STACK.a)}
    if r1 & ${TS_COMPAT} goto compat
    ${native}
    goto look_up
  compat:
    r8 = ${scratch(SCRATCH.registers + number, "u32")}
    if r8 >= ${CALL_BASE.socketcall - CALL_BASE.compat} goto out
    r8 += ${CALL_BASE.compat}
    ${move(args32, "u32")}
    *(u64 *)(r6 + ${SCRATCH.rest + REST.wordBytes}) = 4`;
}

/** With the descriptor in r1: go to `found` with r1 = stream, or to `out`. */
function streamOfNumber(): string {
  return `
    *(u32 *)${at(STACK.key)} = r1
    r1 = map fds
    r2 = r10
    r2 += -${STACK.key}
    call map_lookup_elem
    if r0 == 0 goto out
    r1 = *(u32 *)(r0 + 0)`;
}

function streamOfStandard({ kernel, hasGiven }: MirrorSettings): string {
  if (hasGiven) return streamOfFile(kernel, true);
  return `
    r1 <<= 32
    r1 >>= 32
    if r1 == 1 goto found
    if r1 == 2 goto found
    ${streamOfFile(kernel, false)}`;
}

/** The kind of the record and the bytes that are lost so far. */
function fillHeader(kind: number, base = `r6 + ${SCRATCH.record}`): string {
  const place = (offset: number) => {
    const [register, start] = base.split(" + ");
    return `(${register} + ${Number(start ?? 0) + offset})`;
  };
  return `
    *(u8 *)${place(RECORD.kind)} = ${kind}
    r1 = value stats + ${STATS.lost}
    r1 = *(u64 *)(r1 + 0)
    *(u64 *)${place(RECORD.lost)} = r1`;
}

/** Put r3 bytes from SCRATCH.record on into the ring; r0 is 0 then. */
const OUTPUT = `
    r1 = map ring
    r2 = r6
    r2 += ${SCRATCH.record}
    r4 = 0
    call ringbuf_output`;

/** Work off SCRATCH.rest, turn by turn; to `out` when nothing is left. */
function workOff(settings: MirrorSettings): string {
  const hasBig = settings.ringBytes >= SMALLEST_FOR_BIG;
  return `
    r9 = 0
  turn:
    r7 = ${field("segmentLeft")}
    if r7 != 0 goto piece
    r1 = ${field("left")}
    if r1 == 0 goto next_message
    ${nextSegment()}
  piece:
    ${hasBig ? `if r7 >= ${BIG_PIECE} goto big` : ""}
    if r7 <= ${SMALL_PIECE} goto fits
    r7 = ${SMALL_PIECE}
  fits:
    ${pieceHeader()}
    ${fillHeader(KIND.data)}
    r1 = r6
    r1 += ${SCRATCH.data}
    r2 = r7
    r3 = ${field("address")}
    call probe_read_user
    if r0 != 0 goto unreadable
    r3 = r7
    r3 += ${RECORD.size}
    ${OUTPUT}
    if r0 != 0 goto no_room
  advance:
    *(u64 *)(r6 + ${SCRATCH.isFirst}) = 0
    r1 = ${header("length", "u32")}
    r2 = ${field("address")}
    r2 += r1
    ${field("address")} = r2
    r2 = ${field("segmentLeft")}
    r2 -= r1
    ${field("segmentLeft")} = r2
    r2 = ${field("left")}
    r2 -= r1
    ${field("left")} = r2
    if r2 == 0 goto next_message
  next_turn:
    r7 = 0
    r8 = 0
    r9 += 1
    if r9 < ${TURNS} goto turn
    r1 = *(u64 *)${at(STACK.context)}
    r2 = map programs
    r3 = ${NEXT_PROGRAM.goOn}
    call tail_call
    goto rest
    ${hasBig ? bigPiece() : ""}
    ${nextMessage()}

  unreadable:
    // This piece alone: what follows may be there.
    ${restRecord("r7")}
    if r0 != 0 goto no_room
    goto advance
  rest:
    // More than one call of ours can do: all that is left.
    r7 = ${field("left")}
    ${header("length", "u32")} = r7
    r1 = ${FLAG.last}
    ${header("flags", "u8")} = r1
    ${restRecord()}
    if r0 == 0 goto done
    ${loseAll("done")}
  no_room:
    ${settings.mark === undefined ? "" : waitForRoom()}
  lose_this:
    ${lose("lost")}
  lost:
    // The next message may fit in, or can be counted.
    *(u64 *)(r6 + ${SCRATCH.rest + REST.left}) = 0
    *(u64 *)(r6 + ${SCRATCH.rest + REST.segmentLeft}) = 0
    goto next_turn
  done:
    ${settings.mark === undefined ? "" : `${unlessBelow(settings.mark)}${alarm(false)}`}
    goto out`;
}

/** From an iovec to the segment at hand: r7 = its length. */
function nextSegment(): string {
  return `
    r1 = ${field("segments")}
    if r1 == 0 goto exhausted
    r1 += -1
    ${field("segments")} = r1
    r1 = r6
    r1 += ${SCRATCH.segment}
    r2 = 16
    r3 = ${field("vector")}
    r4 = ${field("wordBytes")}
    if r4 == 8 goto wide_segment
    r2 = 8
  wide_segment:
    r4 = r3
    r4 += r2
    ${field("vector")} = r4
    call probe_read_user
    if r0 != 0 goto unreadable_vector
    r4 = ${field("wordBytes")}
    if r4 == 8 goto wide_words
    r1 = ${scratch(SCRATCH.segment, "u32")}
    r7 = ${scratch(SCRATCH.segment + 4, "u32")}
    goto words
  wide_words:
    r1 = ${scratch(SCRATCH.segment)}
    r7 = ${scratch(SCRATCH.segment + 8)}
  words:
    ${field("address")} = r1
    r1 = ${field("left")}
    if r7 <= r1 goto within
    r7 = r1
  within:
    ${field("segmentLeft")} = r7
    if r7 == 0 goto next_turn
    goto piece
  unreadable_vector:
    r1 = ${field("vector")}
    r2 = ${field("wordBytes")}
    r2 <<= 1
    r1 -= r2
    ${field("vector")} = r1
    r1 = ${field("segments")}
    r1 += 1
    ${field("segments")} = r1
    goto rest
  exhausted:
    // Fewer bytes than the call says, for another thread has changed the iovecs meanwhile.
    r1 = ${field("left")}
    ${header("length", "u32")} = r1
    goto lose_this`;
}

/** The length and the flags of a piece of r7 bytes. */
function pieceHeader(): string {
  return `
    ${header("length", "u32")} = r7
    r1 = ${scratch(SCRATCH.isFirst)}
    r2 = ${field("left")}
    if r2 != r7 goto not_last
    r1 |= ${FLAG.last}
  not_last:
    ${header("flags", "u8")} = r1`;
}

/** A piece that is read straight into the ring. */
function bigPiece(): string {
  const words = Array.from({ length: RECORD.size / 8 }, (_, index) => `
    r1 = ${scratch(SCRATCH.record + 8 * index)}
    *(u64 *)(r8 + ${8 * index}) = r1`).join("");
  return `
  big:
    r7 = ${BIG_PIECE}
    ${pieceHeader().replaceAll("not_last", "not_last_big")}
    ${fillHeader(KIND.data)}
    r1 = map ring
    r2 = ${BIG_PIECE + RECORD.size}
    r3 = 0
    call ringbuf_reserve
    if r0 == 0 goto no_room
    r8 = r0
    ${words}
    r1 = r8
    r1 += ${RECORD.size}
    r2 = ${BIG_PIECE}
    r3 = ${field("address")}
    call probe_read_user
    if r0 == 0 goto submit
    r1 = r8
    r2 = 0
    call ringbuf_discard
    r7 = ${BIG_PIECE}
    goto unreadable
  submit:
    r1 = r8
    r2 = 0
    call ringbuf_submit
    goto advance`;
}

/** After a message: the next one of sendmmsg(2) and recvmmsg(2), if there is any. */
function nextMessage(): string {
  const { 4: narrow, 8: wide } = MESSAGE_LAYOUT;
  return `
  next_message:
    r1 = ${field("messages")}
    if r1 == 0 goto done
    r1 += -1
    ${field("messages")} = r1
    r1 = r6
    r1 += ${SCRATCH.segment}
    r2 = 4
    r3 = ${field("message")}
    r4 = ${field("wordBytes")}
    if r4 == 8 goto wide_length
    r3 += ${narrow.mmsgLen - wide.mmsgLen}
  wide_length:
    r3 += ${wide.mmsgLen}
    call probe_read_user
    if r0 != 0 goto unreadable_message
    r1 = ${scratch(SCRATCH.segment, "u32")}
    ${field("left")} = r1
    if r1 == 0 goto after_header
  message_header:
    *(u64 *)(r6 + ${SCRATCH.isFirst}) = 1
    *(u64 *)(r6 + ${SCRATCH.rest + REST.segmentLeft}) = 0
    r1 = r6
    r1 += ${SCRATCH.segment}
    r3 = ${field("message")}
    r4 = ${field("wordBytes")}
    if r4 == 8 goto wide_header
    r2 = 8
    r3 += ${narrow.iov}
    call probe_read_user
    if r0 != 0 goto unreadable_message
    r1 = ${scratch(SCRATCH.segment, "u32")}
    ${field("vector")} = r1
    r1 = ${scratch(SCRATCH.segment + 4, "u32")}
    ${field("segments")} = r1
    goto after_header
  wide_header:
    r2 = 16
    r3 += ${wide.iov}
    call probe_read_user
    if r0 != 0 goto unreadable_message
    r1 = ${scratch(SCRATCH.segment)}
    ${field("vector")} = r1
    r1 = ${scratch(SCRATCH.segment + 8)}
    ${field("segments")} = r1
  after_header:
    r1 = ${field("message")}
    r4 = ${field("wordBytes")}
    if r4 == 8 goto wide_message
    r1 += ${narrow.mmsgSize - wide.mmsgSize}
  wide_message:
    r1 += ${wide.mmsgSize}
    ${field("message")} = r1
    goto next_turn
  unreadable_message:
    // The last one, or the only one, of which it is known how long it was; else all that are left.
    r1 = ${field("messages")}
    if r1 == 0 goto lose_this
    r1 += 1
    ${field("messages")} = r1
    *(u64 *)(r6 + ${SCRATCH.rest + REST.left}) = 0
    goto rest`;
}

/** Tell of SCRATCH.rest, or only of the piece at hand, whose length `register` has. */
function restRecord(register?: string): string {
  const only: Partial<Record<keyof typeof REST, string>> = register === undefined
    ? {}
    : { segmentLeft: register, left: register, segments: "0", messages: "0" };
  const words = (Object.keys(REST) as (keyof typeof REST)[]).filter((name) => name !== "size")
    .map((name) => `
    r1 = ${only[name] ?? field(name)}
    ${scratch(SCRATCH.data + REST[name])} = r1`).join("");
  return `
    ${fillHeader(KIND.rest)}
    ${words}
    r3 = ${RECORD.size + REST.size}
    ${OUTPUT}`;
}

function idle(): string {
  return `
    r1 = r6
    r1 += ${SCRATCH.data}
    r2 = ${WAIT_BYTES}
    r3 = r6
    call probe_read_kernel`;
}

function waitForRoom(): string {
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
function loseAll(next: string): string {
  return `
    r1 = ${field("messages")}
    if r1 == 0 goto known_length
    r2 = 1
    ${count(STATS.untold, "r2")}
  known_length:
    ${lose(next, "loss_of_all")}`;
}

/** What is left of the call, or of the message at hand, is lost; then to `next`. */
function lose(next: string, label = "loss"): string {
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
function unlessBelow(mark: number): string {
  return `
    r1 = map ring
    r2 = ${BPF_RB_AVAIL_DATA}
    call ringbuf_query
    if r0 < ${mark} goto out`;
}

/** Tell that this thread is to be held; `inside`: that it waits for that. */
function alarm(inside: boolean): string {
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
