/**
 * The program at the tracepoint sys_exit: what a call moved, into the ring. Pure.
 *
 * It is in two parts. The first finds out whether the call matters and fills in SCRATCH; the second works off SCRATCH.rest
 * piece by piece. The second part is bounded only by the call's length, and a program's length is bounded, so it is a
 * program of its own, too, which goes on where the one before has stopped. One turn of its loop is to the verifier like
 * the next: docs/kernel-notes.md#the-verifier-and-branches.
 */
import { MSG_PEEK } from "../../ffi/constants.ts";
import {
  at,
  count,
  END,
  identify,
  onlyWatched,
  peek,
  scratch,
  SCRATCH_TO_R6,
  STACK,
} from "./asm.ts";
import { streamOfFile } from "./files_asm.ts";
import {
  CALL,
  CALL_BASE,
  EFFECT,
  KIND,
  NO_ARGUMENT,
  RECORD,
  REST,
  SCRATCH,
  STATS,
} from "./layout.ts";
import { workOff } from "./pieces_asm.ts";
import { field, fillHeader, header, type MirrorSettings, OUTPUT } from "./record_asm.ts";

/** thread_info.status of x86: the call came through the 32-bit entry. */
const TS_COMPAT = 0x2;

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
    ${settings.stdin ? UNLESS_PEEKED : "goto out"}

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
    // recvmsg(2) and sendmsg(2) have no fourth one: what is not there is 0 then.
    r1 = r6
    r1 += ${SCRATCH.segment + 12}
    r2 = 4
    r3 = ${scratch(SCRATCH.args + 8)}
    r3 += 12
    call probe_read_user
    r8 = ${scratch(SCRATCH.args)}
    if r8 >= ${CALL_BASE.end - CALL_BASE.socketcall} goto out
    ${
    [0, 1, 2, 3].map((index) => `
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

/** recv(2): what MSG_PEEK shows stays there for the call that takes it. */
const UNLESS_PEEKED = `
    r1 = *(u8 *)(r8 + ${CALL.flags})
    if r1 == ${NO_ARGUMENT} goto taken
    ${argument("r1")}
    if r1 & ${MSG_PEEK} goto out
  taken:
    r1 = 0
    goto found`;

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
