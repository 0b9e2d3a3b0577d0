import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Control, Receiver, WatchEvent } from "../../src/procout/engine.ts";
import { indexCalls } from "../../src/procout/bpf/call_map.ts";
import { BpfEngine } from "../../src/procout/bpf/engine.ts";
import type { LoadedPrograms } from "../../src/procout/bpf/loaded.ts";
import { Ring } from "../../src/procout/bpf/ring.ts";
import { O_CLOEXEC, O_RDONLY } from "../../src/ffi/constants.ts";
import { open } from "../../src/ffi/descriptor.ts";
import { BYTES, Producer, record } from "../support/bpf_records.ts";

function describeEvent(event: WatchEvent): string {
  if (event.kind === "output") return new TextDecoder().decode(event.bytes);
  return `${event.kind} ${"pid" in event ? event.pid : ""}`;
}

/** As a ring is that has something. Opened here so that libc is not loaded in the course of a test. */
const READABLE = open("/dev/null", O_RDONLY | O_CLOEXEC);

const CONTROL: Control = {
  stopping: false,
  suspending: false,
  suspend: () => {},
  stay: () => {},
  turn: () => Promise.resolve(),
  sleep: async (until) => void await until,
};

describe("BpfEngine", () => {
  it("shows the last write of a process that ends while the engine checks whether any target is left", async () => {
    const producer = new Producer();
    // That the process is gone is seen at a moment at which it has written something since the ring was looked at.
    let looks = 0;
    const loaded = {
      ring: new Ring(producer.memory, BYTES),
      alarms: new Ring(new Producer().memory, BYTES),
      calls: indexCalls(Deno.build.arch),
      ringDescriptor: READABLE,
      epoch: 0,
      mark: undefined,
      watched() {
        if (looks++ === 0) producer.put(record({ text: "the last word" }));
        return [].values();
      },
      losses: () => [],
    };
    const shown: string[] = [];
    const receiver: Receiver = {
      receive: (event) => void shown.push(describeEvent(event)),
      blocked: false,
      room: () => Promise.resolve(),
      retry: () => {},
      gather: () => {},
      onReady: () => {},
    };
    const request = {
      pids: [10],
      follow: false,
      choice: { numbers: undefined, stdin: false },
    };
    const engine = new BpfEngine(request, receiver, CONTROL, loaded as unknown as LoadedPrograms);
    await engine.run();
    assertEquals(shown, ["the last word", "end 10"]);
  });
});
