/** The call table of the programs: `calls.ts` in the form that they read. Pure. */
import { type Architecture, ARCHITECTURES } from "../../arch/mod.ts";
import { type Call, callTable, socketcall } from "../calls.ts";
import { CALL, CALL_BASE, EFFECT, NO_ARGUMENT } from "./layout.ts";

/** By the index in the map; the indexes differ between the machine's own calls, 32-bit ones and those of socketcall(2). */
export type IndexedCalls = ReadonlyMap<number, Call>;

/** The calls of the machine `own`, and of the 32-bit one that its kernel runs, too. */
export function indexCalls(own: string): IndexedCalls {
  const calls = new Map<number, Call>();
  const add = (base: number, arch: Architecture | undefined) => {
    callTable(arch?.auditArch ?? -1)?.calls.forEach((call, number) => {
      if (call !== undefined && encodeCall(call) !== undefined) calls.set(base + number, call);
    });
  };
  add(CALL_BASE.native, ARCHITECTURES.find(({ name }) => name === own));
  if (own === "x86_64") {
    add(CALL_BASE.compat, ARCHITECTURES.find(({ name }) => name === "i386"));
    for (let number = CALL_BASE.socketcall; number < CALL_BASE.end; number++) {
      const call = socketcall(number - CALL_BASE.socketcall);
      if (call !== undefined) calls.set(number, call);
    }
  }
  return calls;
}

/** The element for `call`; undefined for one that moves no bytes: the programs ask the kernel what a descriptor is. */
export function encodeCall(call: Call): Uint8Array<ArrayBuffer> | undefined {
  const { effect } = call;
  if (!(effect in EFFECT)) return undefined;
  const bytes = new Uint8Array(CALL.size);
  const argument = (name: "fd" | "address" | "length" | "flags") => {
    const index = (call as Partial<Record<typeof name, number>>)[name];
    bytes[CALL[name]] = index ?? NO_ARGUMENT;
  };
  bytes[CALL.effect] = EFFECT[effect as keyof typeof EFFECT];
  bytes[CALL.input] = "direction" in call && call.direction === "input" ? 1 : 0;
  argument("fd");
  argument("address");
  argument("length");
  argument("flags");
  return bytes;
}
