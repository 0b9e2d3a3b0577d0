/** What the parts of the program at sys_exit share: the scratch memory's fields, and records for the ring. Pure. */
import type { SavedRegisters } from "../../arch/pt_regs.ts";
import { type KernelOffsets, type Namespace, scratch } from "./asm.ts";
import { KIND, RECORD, REST, SCRATCH, STATS } from "./layout.ts";

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

/** Field of SCRATCH.rest. */
export const field = (name: keyof typeof REST, type?: string) =>
  scratch(SCRATCH.rest + (REST[name]), type);
/** Field of SCRATCH.record. */
export const header = (name: keyof typeof RECORD, type: string) =>
  scratch(SCRATCH.record + RECORD[name], type);

/** The kind of the record and the bytes that are lost so far. */
export function fillHeader(kind: number, base = `r6 + ${SCRATCH.record}`): string {
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
export const OUTPUT = `
    r1 = map ring
    r2 = r6
    r2 += ${SCRATCH.record}
    r4 = 0
    call ringbuf_output`;

/** Tell of SCRATCH.rest, or only of the piece at hand, whose length `register` has. */
export function restRecord(register?: string): string {
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
