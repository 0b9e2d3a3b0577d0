/** Records of the ring to events. Nothing is copied but what came in several pieces. Pure but for `fetch`. */
import type { Call } from "../calls.ts";
import type { Stream, WatchEvent } from "../engine.ts";
import type { IndexedCalls } from "./call_map.ts";
import { FLAG, KIND, RECORD, REST } from "./layout.ts";

/** Where the bytes are that the program left to us. */
export interface Rest {
  readonly pid: number;
  readonly tid: number;
  readonly call: Call | undefined;
  readonly wordBytes: 4 | 8;
  readonly address: bigint;
  readonly segmentLeft: number;
  readonly left: number;
  readonly vector: bigint;
  readonly segments: number;
  readonly message: bigint;
  readonly messages: number;
}

export interface RecordSinks {
  receive(event: WatchEvent): void;
  /** Give the bytes of `rest` to `emit`, piece by piece; how many could not be had, -1 for an unknown number. */
  fetch(rest: Rest, emit: (bytes: Uint8Array<ArrayBuffer>) => void): number;
  /** More bytes are lost than were when the record before was made. */
  lost(time: number): void;
}

/** At most this much of one call is one event. */
const LARGEST_EVENT = 1 << 20;

const UNREADABLE = "its memory could not be read any more";

/** Pieces of one call that came so far. */
class Assembly {
  #buffer = new Uint8Array(1 << 17);
  length = 0;

  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(0, this.length);
  }

  add(bytes: Uint8Array<ArrayBuffer>): void {
    const length = this.length + bytes.length;
    if (length > this.#buffer.length) {
      const larger = new Uint8Array(2 ** Math.ceil(Math.log2(length)));
      larger.set(this.bytes);
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.length);
    this.length = length;
  }
}

type Origin = Pick<
  WatchEvent & { kind: "output" | "input" },
  "kind" | "time" | "pid" | "tid" | "fd" | "stream"
>;

export class RecordReader {
  readonly #data: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #calls: IndexedCalls;
  readonly #sinks: RecordSinks;
  /** Milliseconds since 1970 at 0 of CLOCK_MONOTONIC. */
  readonly #epoch: number;
  readonly #assemblies = new Map<number, { readonly assembly: Assembly; origin: Origin }>();
  readonly #spare: Assembly[] = [];
  #lost = 0;

  constructor(
    memory: { readonly data: Uint8Array<ArrayBuffer>; readonly view: DataView },
    calls: IndexedCalls,
    epoch: number,
    sinks: RecordSinks,
  ) {
    this.#data = memory.data;
    this.#view = memory.view;
    this.#calls = calls;
    this.#epoch = epoch;
    this.#sinks = sinks;
  }

  /** Take the record at `at` of the ring's data. */
  read(at: number): void {
    const view = this.#view;
    const lost = this.#number(at + RECORD.lost);
    const time = this.#epoch + this.#number(at + RECORD.time) / 1e6;
    if (lost !== this.#lost) {
      this.#lost = lost;
      this.flush();
      this.#sinks.lost(time);
    }
    const pid = view.getUint32(at + RECORD.pid, true);
    const kind = view.getUint8(at + RECORD.kind);
    if (kind === KIND.data) return this.#piece(at, pid, time);
    if (kind === KIND.rest) return this.#rest(at, pid, time);
    if (kind === KIND.end) {
      this.flush();
      return this.#sinks.receive({ kind: "end", time, pid, status: undefined });
    }
    if (kind === KIND.resize) return this.#sinks.receive({ kind: "resize", time, pid });
    const call = this.#calls.get(view.getUint32(at + RECORD.call, true));
    this.#sinks.receive({ kind: "unseen", time, pid, call: call?.name ?? "an unknown call" });
  }

  /** What is there of calls whose last piece is missing. */
  flush(): void {
    for (const tid of this.#assemblies.keys()) this.#finish(tid);
  }

  #number(at: number): number {
    return this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 0x1_0000_0000;
  }

  #origin(at: number, pid: number, time: number): Origin {
    const view = this.#view;
    return {
      kind: view.getUint8(at + RECORD.input) === 1 ? "input" : "output",
      time,
      pid,
      tid: view.getUint32(at + RECORD.tid, true),
      fd: view.getInt32(at + RECORD.fd, true),
      stream: view.getUint8(at + RECORD.stream) as Stream,
    };
  }

  #piece(at: number, pid: number, time: number): void {
    const length = this.#view.getUint32(at + RECORD.length, true);
    const start = at + RECORD.size;
    const bytes = this.#data.subarray(start, start + length);
    this.#add(this.#origin(at, pid, time), this.#view.getUint8(at + RECORD.flags), bytes);
  }

  #add(origin: Origin, flags: number, bytes: Uint8Array<ArrayBuffer>): void {
    const { tid } = origin;
    if ((flags & FLAG.first) !== 0) {
      if (this.#assemblies.size > 0) this.#finish(tid);
      if ((flags & FLAG.last) !== 0) return this.#emit(origin, bytes);
    }
    let entry = this.#assemblies.get(tid);
    if (entry === undefined) {
      entry = { assembly: this.#spare.pop() ?? new Assembly(), origin };
      this.#assemblies.set(tid, entry);
    }
    const { assembly } = entry;
    // What is large goes as it is, where nothing waits.
    if (assembly.length + bytes.length > LARGEST_EVENT) {
      this.#emit(entry.origin, assembly.bytes);
      assembly.length = 0;
      entry.origin = origin;
    }
    assembly.add(bytes);
    if ((flags & FLAG.last) !== 0) this.#finish(tid);
  }

  #finish(tid: number): void {
    const entry = this.#assemblies.get(tid);
    if (entry === undefined) return;
    this.#assemblies.delete(tid);
    this.#emit(entry.origin, entry.assembly.bytes);
    entry.assembly.length = 0;
    this.#spare.push(entry.assembly);
  }

  #emit(origin: Origin, bytes: Uint8Array<ArrayBuffer>): void {
    if (bytes.length === 0) return;
    const { kind, time, pid, tid, fd, stream } = origin;
    this.#sinks.receive({ kind, time, pid, tid, fd, stream, bytes });
  }

  #rest(at: number, pid: number, time: number): void {
    const view = this.#view;
    const origin = this.#origin(at, pid, time);
    const flags = view.getUint8(at + RECORD.flags);
    const field = (name: keyof typeof REST) => at + RECORD.size + REST[name];
    const rest: Rest = {
      pid,
      tid: origin.tid,
      call: this.#calls.get(view.getUint32(at + RECORD.call, true)),
      wordBytes: view.getUint32(field("wordBytes"), true) === 4 ? 4 : 8,
      address: view.getBigUint64(field("address"), true),
      segmentLeft: this.#number(field("segmentLeft")),
      left: this.#number(field("left")),
      vector: view.getBigUint64(field("vector"), true),
      segments: this.#number(field("segments")),
      message: view.getBigUint64(field("message"), true),
      messages: this.#number(field("messages")),
    };
    let pieceFlags = flags & FLAG.first;
    const count = this.#sinks.fetch(rest, (bytes) => {
      this.#add(origin, pieceFlags, bytes);
      pieceFlags = 0;
    });
    if ((flags & FLAG.last) !== 0 || count !== 0) this.#finish(origin.tid);
    if (count === 0) return;
    const { tid, fd, stream } = origin;
    const why = `${rest.call?.name ?? "a call"}: ${UNREADABLE}`;
    this.#sinks.receive({
      kind: "lost",
      time,
      pid,
      tid,
      fd,
      stream,
      count: Math.max(count, 0),
      why,
    });
  }
}
