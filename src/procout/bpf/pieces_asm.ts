/** The second part of the program at sys_exit: what a call has moved, piece by piece into the ring. Pure. */
import { MESSAGE_LAYOUT } from "../calls.ts";
import { at, END, scratch, SCRATCH_TO_R6, STACK } from "./asm.ts";
import {
  BIG_PIECE,
  FLAG,
  KIND,
  NEXT_PROGRAM,
  RECORD,
  REST,
  SCRATCH,
  SMALL_PIECE,
} from "./layout.ts";
import {
  field,
  fillHeader,
  header,
  type MirrorSettings,
  OUTPUT,
  restRecord,
} from "./record_asm.ts";
import { alarm, lose, loseAll, slowDown, unlessBelow, waitForRoom } from "./room_asm.ts";

/** Turns of the second part in one program. They may go on in another one 33 times (MAX_TAIL_CALL_CNT). */
const TURNS = 48;
/** Rings below this have no room for big pieces. */
const SMALLEST_FOR_BIG = 16 * BIG_PIECE;

/** The second part, for calls of many pieces. */
export function goOnText(settings: MirrorSettings): string {
  return `
    *(u64 *)${at(STACK.context)} = r1
    ${SCRATCH_TO_R6}
    ${workOff(settings)}
    ${END}`;
}

/** Work off SCRATCH.rest, turn by turn; to `out` when nothing is left. */
export function workOff(settings: MirrorSettings): string {
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
    ${
    settings.mark === undefined
      ? ""
      : `${unlessBelow(settings.mark)}${alarm(false)}${slowDown(settings)}`
  }
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
    // MSG_TRUNC: a datagram's length may be more than there was room for; or another thread has changed the iovecs. An
    // empty piece says that nothing follows.
    r7 = 0
    ${field("left")} = r7
    goto fits`;
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
