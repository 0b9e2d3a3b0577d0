/** Bytes that a program in the kernel could not read: from the memory of the process, a moment later. */
import { IovecReader } from "../../tracee/iovec_reader.ts";
import { readMemory } from "../../tracee/remote_memory.ts";
import { MESSAGE_LAYOUT } from "../calls.ts";
import type { Rest } from "./records.ts";

type Emit = (bytes: Uint8Array<ArrayBuffer>) => void;

export class Fetcher {
  readonly #gather = new IovecReader();

  /** All of `rest` to `emit`; how many bytes could not be had, -1 where it is not known how many there were. */
  fetch(rest: Rest, emit: Emit): number {
    // A thread that has ended leads to no memory, nor does a first thread that has; the other one may.
    for (const id of new Set([rest.tid, rest.pid])) {
      const missing = this.#current(id, rest, emit);
      if (missing === rest.left && missing > 0) continue;
      if (missing > 0) return missing;
      return this.#messages(id, rest, emit);
    }
    return rest.left;
  }

  #current(id: number, rest: Rest, emit: Emit): number {
    if (rest.left === 0) return 0;
    this.#gather.begin(
      Number(rest.address & 0xffff_ffffn),
      Number(rest.address >> 32n),
      rest.segmentLeft,
    );
    let wanted = rest.left;
    try {
      this.#addVector(id, rest.vector, rest.segments, rest.wordBytes);
      wanted = Math.min(wanted, this.#gather.length);
    } catch {
      // What is left of the segment at hand can be there all the same.
    }
    return this.#take(id, wanted, emit);
  }

  /** How many bytes of `wanted` could not be had. With MSG_TRUNC a call's result may be above what its segments hold. */
  #take(id: number, wanted: number, emit: Emit): number {
    let left = wanted;
    for (let room = this.#gather.length; left > 0 && room > 0;) {
      const bytes = this.#gather.take(id, Math.min(left, room));
      if (bytes.length === 0) break;
      left -= bytes.length;
      room -= bytes.length;
      emit(bytes);
    }
    return left;
  }

  #addVector(id: number, address: bigint, count: number, wordBytes: 4 | 8): void {
    if (count === 0) return;
    const view = new DataView(readMemory(id, address, count * 2 * wordBytes).buffer);
    for (let index = 0; index < count; index++) {
      const at = index * 2 * wordBytes;
      if (wordBytes === 4) {
        this.#gather.add(view.getUint32(at, true), 0, view.getUint32(at + 4, true));
      } else {
        const length = Number(view.getBigUint64(at + 8, true));
        this.#gather.add(view.getUint32(at, true), view.getUint32(at + 4, true), length);
      }
    }
  }

  /** The messages that were not even begun with. */
  #messages(id: number, { message, messages, wordBytes }: Rest, emit: Emit): number {
    const { iov, iovlen, mmsgLen, mmsgSize } = MESSAGE_LAYOUT[wordBytes];
    try {
      for (let index = 0; index < messages; index++) {
        const bytes = readMemory(id, message + BigInt(index * mmsgSize), mmsgSize);
        const view = new DataView(bytes.buffer);
        const length = view.getUint32(mmsgLen, true);
        const vector = wordBytes === 8
          ? view.getBigUint64(iov, true)
          : BigInt(view.getUint32(iov, true));
        this.#gather.beginEmpty();
        this.#addVector(id, vector, view.getUint32(iovlen, true), wordBytes);
        if (this.#take(id, Math.min(length, this.#gather.length), emit) > 0) return -1;
      }
      return 0;
    } catch {
      return -1;
    }
  }
}
