/** The bytes of a call, taken when it has returned: as many as it says, not as many as were asked for. */
import { close, filePosition, pread } from "../../ffi/descriptor.ts";
import { pidfdGetfd, pidfdOpen } from "../../ffi/process.ts";
import { isAtHand } from "../../proc/at_hand.ts";
import { IovecReader } from "../../tracee/iovec_reader.ts";
import { readMemory } from "../../tracee/remote_memory.ts";
import { type Call, MESSAGE_LAYOUT } from "../calls.ts";
import type { Thread } from "./table.ts";

/** A part of what a call moved; `bytes` is overwritten by the next one. */
export type Emit = (thread: Thread, call: Call, bytes: Uint8Array<ArrayBuffer>) => void;
/** `count` bytes, or 0 for an unknown number, could not be had. */
export type Lose = (thread: Thread, call: Call, count: number, why: string) => void;

const SOURCE_CHUNK = 1 << 20;
const UNREADABLE = "its memory could not be read any more";

export class Payload {
  readonly #gather = new IovecReader();
  readonly #emit: Emit;
  readonly #lose: Lose;
  #sourceBuffer: Uint8Array<ArrayBuffer> | undefined;

  constructor(emit: Emit, lose: Lose) {
    this.#emit = emit;
    this.#lose = lose;
  }

  /** `result` of `call`, which `thread` has just made, is above 0. Whether its bytes can be had at all. */
  deliver(thread: Thread, call: Call, result: number): boolean {
    switch (call.effect) {
      case "buffer":
        this.#gather.begin(
          thread.low(call.address),
          thread.high(call.address),
          Math.min(result, thread.arg(call.length)),
        );
        this.#deliverGathered(thread, call, this.#gather.length);
        return true;
      case "vector":
        this.#attempt(thread, call, result, () => {
          this.#gather.beginEmpty();
          this.#addVector(thread, addressArg(thread, call.address), thread.low(call.length));
          this.#deliverGathered(thread, call, Math.min(result, this.#gather.length));
        });
        return true;
      case "message":
        this.#attempt(thread, call, result, () => {
          this.#deliverMessage(thread, call, addressArg(thread, call.address), result);
        });
        return true;
      case "messages":
        this.#attempt(thread, call, 0, () => this.#deliverMessages(thread, call, result));
        return true;
      case "copy":
        return this.#deliverCopy(thread, call, result);
      default:
        return true;
    }
  }

  #attempt(thread: Thread, call: Call, count: number, deliver: () => void): void {
    try {
      deliver();
    } catch {
      // Another thread has unmapped it since, or SIGKILL has reached the process.
      this.#lose(thread, call, count, UNREADABLE);
    }
  }

  #deliverGathered(thread: Thread, call: Call, length: number): void {
    for (let left = length; left > 0;) {
      const bytes = this.#gather.take(thread.tid, left);
      if (bytes.length === 0) return this.#lose(thread, call, left, UNREADABLE);
      left -= bytes.length;
      this.#emit(thread, call, bytes);
    }
  }

  /** Add the segments of `count` iovecs at `address` in the tracee. */
  #addVector(thread: Thread, address: bigint, count: number): void {
    if (count === 0) return;
    const isWide = thread.wordBytes === 8;
    const bytes = readMemory(thread.tid, address, count * (isWide ? 16 : 8));
    const view = new DataView(bytes.buffer);
    const word = (at: number) => view.getUint32(at, true);
    for (let at = 0; at < bytes.length; at += isWide ? 16 : 8) {
      if (isWide) {
        this.#gather.add(word(at), word(at + 4), word(at + 8) + word(at + 12) * 0x1_0000_0000);
      } else this.#gather.add(word(at), 0, word(at + 4));
    }
  }

  #deliverMessage(thread: Thread, call: Call, address: bigint, length: number): void {
    const { iov, iovlen } = MESSAGE_LAYOUT[thread.wordBytes];
    const header = readMemory(thread.tid, address, iovlen + thread.wordBytes);
    const view = new DataView(header.buffer);
    const vector = thread.wordBytes === 8
      ? view.getBigUint64(iov, true)
      : BigInt(view.getUint32(iov, true));
    this.#gather.beginEmpty();
    this.#addVector(thread, vector, view.getUint32(iovlen, true));
    this.#deliverGathered(thread, call, Math.min(length, this.#gather.length));
  }

  #deliverMessages(thread: Thread, call: Call & { effect: "messages" }, count: number): void {
    const { mmsgLen, mmsgSize } = MESSAGE_LAYOUT[thread.wordBytes];
    const first = addressArg(thread, call.address);
    for (let index = 0; index < count; index++) {
      const address = first + BigInt(index * mmsgSize);
      const length = new DataView(
        readMemory(thread.tid, address + BigInt(mmsgLen), 4).buffer,
      ).getUint32(0, true);
      if (length > 0) this.#deliverMessage(thread, call, address, length);
    }
  }

  /**
   * What was copied is read from where it was copied from: the position behind it is known, and its length. Not where a
   * program serves that file: it may be watched, too, and stand still until we come to it.
   */
  #deliverCopy(thread: Thread, call: Call & { effect: "copy" }, length: number): boolean {
    const { process } = thread;
    const number = thread.low(call.source);
    if (!isAtHand(process.pid, thread.tid, number)) return false;
    process.pidfd ??= pidfdOpen(process.pid);
    const source = process.pidfd < 0 ? -1 : pidfdGetfd(process.pidfd, number);
    if (source < 0) return false;
    try {
      const end = this.#endOfSource(thread, call, source);
      if (end === undefined || end < length) return false;
      this.#sourceBuffer ??= new Uint8Array(SOURCE_CHUNK);
      for (let left = length; left > 0;) {
        const room = this.#sourceBuffer.subarray(0, Math.min(left, SOURCE_CHUNK));
        const count = pread(source, room, end - left);
        if (count <= 0) {
          if (left === length) return false;
          this.#lose(thread, call, left, "the file it was copied from has changed");
          return true;
        }
        this.#emit(thread, call, room.subarray(0, count));
        left -= count;
      }
      return true;
    } finally {
      close(source);
    }
  }

  /** Where in the source the copy ended; undefined for pipes and sockets, which have no such place. */
  #endOfSource(
    thread: Thread,
    call: Call & { effect: "copy" },
    source: number,
  ): number | undefined {
    const position = filePosition(source);
    if (position < 0) return undefined;
    const pointer = addressArg(thread, call.offset);
    if (pointer === 0n) return position;
    try {
      const view = new DataView(readMemory(thread.tid, pointer, call.offsetBytes).buffer);
      return call.offsetBytes === 8 ? Number(view.getBigInt64(0, true)) : view.getInt32(0, true);
    } catch {
      return undefined;
    }
  }
}

function addressArg(thread: Thread, index: number): bigint {
  return BigInt(thread.high(index)) << 32n | BigInt(thread.low(index));
}
