import { assertEquals } from "@std/assert";
import { beforeEach, describe, it } from "@std/testing/bdd";
import type { WatchEvent } from "../../src/procout/engine.ts";
import { indexCalls } from "../../src/procout/bpf/call_map.ts";
import { FLAG, KIND } from "../../src/procout/bpf/layout.ts";
import { RecordReader, type Rest } from "../../src/procout/bpf/records.ts";
import { Ring } from "../../src/procout/bpf/ring.ts";
import { BUSY, BYTES, DISCARDED, type Fields, Producer, record } from "../support/bpf_records.ts";

describe("Ring", () => {
  it("yields each record once and in order, and frees its room when it is released", () => {
    const producer = new Producer();
    const ring = new Ring(producer.memory, BYTES);
    assertEquals(ring.next(), -1);
    producer.put(Uint8Array.of(1, 2, 3));
    producer.put(new Uint8Array(16).fill(4));
    assertEquals(ring.waiting, 16 + 24);
    assertEquals(ring.next(), -1, "nobody has looked");
    ring.look();
    const first = ring.next();
    assertEquals([...ring.data.subarray(first, first + 3)], [1, 2, 3]);
    assertEquals(ring.data[ring.next()], 4);
    assertEquals([ring.next(), ring.waiting, ring.unreleased, producer.consumed], [-1, 0, 40, 0]);
    ring.release();
    assertEquals([ring.unreleased, producer.consumed], [0, 40]);
  });

  it("waits for a record that is still being written, and passes over a discarded one", () => {
    const producer = new Producer();
    const ring = new Ring(producer.memory, BYTES);
    producer.put(Uint8Array.of(9), 1 | DISCARDED);
    const at = producer.put(Uint8Array.of(7), (1 | BUSY) >>> 0);
    ring.look();
    assertEquals(ring.next(), -1);
    producer.commit(at, 1);
    assertEquals(ring.data[ring.next()], 7);
  });

  it("reads a record whole that wraps around the end of the ring", () => {
    const producer = new Producer();
    const ring = new Ring(producer.memory, BYTES);
    const payload = Uint8Array.from({ length: 1000 }, (_, index) => index);
    for (let times = 0; times < 50; times++) {
      producer.put(payload);
      ring.look();
      const at = ring.next();
      assertEquals(ring.data.slice(at, at + 1000), payload);
      ring.release();
      assertEquals(producer.consumed, producer.position);
    }
  });
});

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

describe("RecordReader", () => {
  let said: string[] = [];
  let rests: Rest[] = [];
  let missing = 0;

  beforeEach(() => {
    said = [];
    rests = [];
    missing = 0;
  });

  function describeEvent(event: WatchEvent): string {
    if (event.kind === "output") return `${event.tid}: ${DECODER.decode(event.bytes)}`;
    if (event.kind === "lost") return `lost ${event.count}: ${event.why}`;
    if (event.kind === "unseen") return `unseen ${event.call}`;
    return `${event.kind} ${event.pid}`;
  }

  function read(...records: Fields[]): string[] {
    const parts = records.map(record);
    const data = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
    const memory = { data, view: new DataView(data.buffer) };
    const reader = new RecordReader(memory, indexCalls("x86_64"), 1000, {
      receive: (event) => said.push(describeEvent(event)),
      fetch: (rest, emit) => {
        rests.push(rest);
        emit(ENCODER.encode("fetched"));
        return missing;
      },
      lost: (time) => said.push(`lost at ${time}`),
    });
    let at = 0;
    for (const part of parts) {
      data.set(part, at);
      reader.read(at);
      at += part.length;
    }
    reader.flush();
    return said;
  }

  it("joins the pieces of a call into one event, whatever records lie between them", () => {
    assertEquals(
      read(
        { flags: FLAG.first, text: "one " },
        { tid: 12, text: "other" },
        { flags: 0, text: "whole " },
        { flags: FLAG.last, text: "line" },
      ),
      ["12: other", "11: one whole line"],
    );
  });

  it("yields the pieces of a call whose last piece never came", () => {
    assertEquals(
      read({ flags: FLAG.first, text: "begun" }, { text: "next" }, { kind: KIND.end }),
      ["11: begun", "11: next", "end 10"],
    );
  });

  it("reports lost bytes at their place", () => {
    assertEquals(read({ text: "a" }, { text: "b", lost: 5 }, { text: "c", lost: 5 }), [
      "11: a",
      "lost at 1002",
      "11: b",
      "11: c",
    ]);
  });

  it("fetches bytes that the eBPF program could not read, and puts them in their place", () => {
    const rest = { address: 0x7000, segmentLeft: 7, left: 7, wordBytes: 4 };
    assertEquals(
      read(
        { flags: FLAG.first, text: "a " },
        { kind: KIND.rest, flags: 0, rest },
        { flags: FLAG.last, text: " b" },
      ),
      ["11: a fetched b"],
    );
    assertEquals(
      rests.map(({ address, left, wordBytes, call }) => [address, left, wordBytes, call?.name]),
      [
        [0x7000n, 7, 4, "write"],
      ],
    );
  });

  it("reports how many of these bytes could not be fetched", () => {
    missing = 3;
    assertEquals(read({ kind: KIND.rest, rest: { left: 10 } }), [
      "11: fetched",
      "lost 3: write: its memory could not be read any more",
    ]);
  });

  it("reports the name of an unseen call, and a resize", () => {
    assertEquals(read({ kind: KIND.unseen }, { kind: KIND.resize }), ["unseen write", "resize 10"]);
  });
});
