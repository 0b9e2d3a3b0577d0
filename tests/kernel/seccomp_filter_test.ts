/** What src/tracee/seccomp_filter.ts says of a filter, compared with what the kernel does under it. */
import { assert, assertEquals } from "@std/assert";
import { describe } from "@std/testing/bdd";
import * as bpf from "../../src/ffi/bpf_constants.ts";
import {
  SECCOMP_RET_ALLOW,
  SECCOMP_RET_ERRNO,
  SECCOMP_RET_KILL_PROCESS,
  SECCOMP_RET_KILL_THREAD,
  SECCOMP_RET_LOG,
  SECCOMP_RET_TRACE,
  SECCOMP_RET_TRAP,
} from "../../src/ffi/constants.ts";
import { seccompData, sockFilter } from "../../src/ffi/structs.ts";
import {
  dataOf,
  type FilteredCall,
  type FilterProgram,
  runFilter,
  verdictOf,
} from "../../src/tracee/seccomp_filter.ts";
import { Struct } from "../../src/struct.ts";
import { ARCHITECTURES } from "../../src/arch/mod.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { requiresCompiler, victim } from "../support/programs.ts";

const auditArch = ARCHITECTURES.find(({ name }) => name === Deno.build.arch)!.auditArch;

type Instruction = readonly [code: number, k: number, jt?: number, jf?: number];

function assemble(instructions: readonly Instruction[]): FilterProgram {
  const bytes = new Uint8Array(sockFilter.size * instructions.length);
  instructions.forEach(([code, k, jt = 0, jf = 0], index) =>
    new Struct(sockFilter, bytes, sockFilter.size * index).set("code", code).set("k", k >>> 0)
      .set("jt", jt).set("jf", jf)
  );
  return bytes;
}

/** A sequence that is the same in every run, so that what fails once fails again: xorshift32. */
class Randoms {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  next(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return this.#state >>> 0;
  }

  below(limit: number): number {
    return this.next() % limit;
  }

  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  /** Often one at which something changes. */
  word(): number {
    return this.of([0, 1, 31, 32, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, this.next(), this.next()]);
  }

  words(): bigint {
    return BigInt(this.word()) << 32n | BigInt(this.word());
  }
}

interface Probe {
  readonly filters: readonly FilterProgram[];
  readonly number: number;
  readonly args: readonly bigint[];
}

/** What the kernel makes of each call, in a child of its own: `result R errno E`, or `signal N`. */
function outcomes(probes: readonly Probe[]): { pointer: bigint; lines: string[] } {
  const file = Deno.makeTempFileSync({ prefix: "reptyr-probes-" });
  try {
    const lines = probes.map(({ filters, number, args }) =>
      [filters.length, ...filters.map((filter) => filter.toHex()), number, ...args].join(" ")
    );
    Deno.writeTextFileSync(file, lines.join("\n") + "\n");
    const { stdout } = new Deno.Command("sh", {
      args: ["-c", 'exec "$0" < "$1"', victim("seccomp_probe"), file],
    }).outputSync();
    const [ready, ...rest] = new TextDecoder().decode(stdout).trim().split("\n");
    assertEquals(rest.length, probes.length, rest.at(-1));
    return { pointer: BigInt(ready!.split(" ")[2]!), lines: rest };
  } finally {
    Deno.removeSync(file);
  }
}

const test = requiresCapability("seccomp", requiresCompiler);

/** A call that no kernel has: allowed it returns ENOSYS, and nothing else of the victim is subject to the program. */
const NO_CALL = 1_000_000;

const { BPF_ABS, BPF_ALU, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_LDX, BPF_LEN, BPF_RET, BPF_W } = bpf;
const { BPF_A, BPF_IMM, BPF_MEM, BPF_MISC, BPF_ST, BPF_STX, BPF_X } = bpf;

const loadOf = (field: keyof typeof seccompData.fields): Instruction => [
  BPF_LD | BPF_W | BPF_ABS,
  seccompData.fields[field][0],
];

/** All calls but `NO_CALL` are allowed. */
const ONLY_NO_CALL: readonly Instruction[] = [
  loadOf("nr"),
  [BPF_JMP | BPF_JEQ | BPF_K, NO_CALL, 1, 0],
  [BPF_RET | BPF_K, SECCOMP_RET_ALLOW],
];

const ALU = [
  bpf.BPF_ADD,
  bpf.BPF_SUB,
  bpf.BPF_MUL,
  bpf.BPF_DIV,
  bpf.BPF_OR,
  bpf.BPF_AND,
  bpf.BPF_LSH,
  bpf.BPF_RSH,
  bpf.BPF_XOR,
  bpf.BPF_NEG,
];
const CONDITIONS = [BPF_JEQ, bpf.BPF_JGT, bpf.BPF_JGE, bpf.BPF_JSET];

/** Some instruction that the kernel takes, of which `left` follow; `set` are the words of memory that have been written. */
function someInstruction(randoms: Randoms, left: number, set: number[]): Instruction {
  switch (randoms.below(9)) {
    case 0:
      return [BPF_LD | BPF_W | BPF_ABS, 4 * randoms.below(seccompData.size / 4)];
    case 1:
      return [randoms.of([BPF_LD, BPF_LDX]) | BPF_IMM, randoms.word()];
    case 2:
      return [randoms.of([BPF_LD, BPF_LDX]) | BPF_W | BPF_LEN, 0];
    case 3:
      return [BPF_MISC | randoms.of([bpf.BPF_TAX, bpf.BPF_TXA]), 0];
    case 4: {
      const word = randoms.below(16);
      set.push(word);
      return [randoms.of([BPF_ST, BPF_STX]), word];
    }
    case 5:
      if (set.length > 0) return [randoms.of([BPF_LD, BPF_LDX]) | BPF_MEM, randoms.of(set)];
      return [BPF_LD | BPF_IMM, randoms.word()];
    case 6:
    case 7: {
      const operation = randoms.of(ALU);
      const isShift = operation === bpf.BPF_LSH || operation === bpf.BPF_RSH;
      if (randoms.below(2) === 0 && operation !== bpf.BPF_NEG) {
        return [BPF_ALU | operation | BPF_X, 0];
      }
      const k = isShift ? randoms.below(32) : randoms.word();
      return [BPF_ALU | operation | BPF_K, operation === bpf.BPF_DIV && k === 0 ? 3 : k];
    }
    default: {
      const source = randoms.of([BPF_K, BPF_X]);
      const most = Math.min(left, 3) + 1;
      if (randoms.below(8) === 0) return [BPF_JMP | bpf.BPF_JA, randoms.below(most)];
      return [
        BPF_JMP | randoms.of(CONDITIONS) | source,
        randoms.word(),
        randoms.below(most),
        randoms.below(most),
      ];
    }
  }
}

/**
 * A program that computes something and makes an error number of it. What a jump may pass over does not count as
 * written: memory is written before, and not by the instructions that follow a jump.
 */
function someProgram(randoms: Randoms): FilterProgram {
  const body: Instruction[] = [];
  const set: number[] = [];
  for (let word = 0; word < 16; word++) body.push([BPF_ST, word]);
  for (let word = 0; word < 16; word++) set.push(word);
  const length = 5 + randoms.below(40);
  for (let index = 0; index < length; index++) {
    body.push(someInstruction(randoms, length - index - 1, set));
  }
  return assemble([
    ...ONLY_NO_CALL,
    ...body,
    // So that every bit of the accumulator counts.
    [BPF_MISC | bpf.BPF_TAX, 0],
    [BPF_ALU | bpf.BPF_RSH | BPF_K, 11],
    [BPF_ALU | bpf.BPF_XOR | BPF_X, 0],
    [BPF_MISC | bpf.BPF_TAX, 0],
    [BPF_ALU | bpf.BPF_RSH | BPF_K, 22],
    [BPF_ALU | bpf.BPF_XOR | BPF_X, 0],
    [BPF_ALU | bpf.BPF_AND | BPF_K, 0x7ff],
    [BPF_ALU | bpf.BPF_OR | BPF_K, SECCOMP_RET_ERRNO],
    [BPF_RET | BPF_A, 0],
  ]);
}

describe("our evaluation of a seccomp(2) filter", () => {
  test("agrees with the kernel about random programs", () => {
    const randoms = new Randoms(20_240_229);
    const probes = Array.from({ length: 600 }, () => ({
      filters: [someProgram(randoms)],
      number: NO_CALL,
      args: Array.from({ length: 6 }, () => randoms.words()),
    }));
    const { pointer, lines } = outcomes(probes);
    const answers = new Set<number>();
    probes.forEach(({ filters, number, args }, index) => {
      const call: FilteredCall = { number, auditArch, instructionPointer: pointer, args };
      const answer = runFilter(filters[0]!, dataOf(call));
      answers.add(answer);
      // A division by zero returns 0: the thread is killed, and the process with it, which has no other.
      const expected = answer === SECCOMP_RET_KILL_THREAD
        ? "signal 31"
        : (answer & 0x7ff) === 0
        ? "result 0 errno 0"
        : `result -1 errno ${answer & 0x7ff}`;
      assertEquals(lines[index], expected, `program ${index}: ${filters[0]!.toHex()}`);
    });
    assert(answers.size > 100, `only ${answers.size} different answers`);
  });

  requiresCompiler(
    "agrees with the kernel about several filters, of which the strictest decides",
    () => {
      const ACTIONS = [
        SECCOMP_RET_ALLOW,
        SECCOMP_RET_LOG,
        SECCOMP_RET_TRACE,
        SECCOMP_RET_ERRNO | 7,
        SECCOMP_RET_TRAP,
        SECCOMP_RET_KILL_THREAD,
        SECCOMP_RET_KILL_PROCESS,
        // Known to no kernel.
        0x1234_0000,
      ];
      const randoms = new Randoms(7);
      const byArgument = (): FilterProgram =>
        assemble([
          ...ONLY_NO_CALL,
          loadOf("args"),
          [BPF_JMP | bpf.BPF_JGT | BPF_K, 0x8000_0000, 0, 1],
          [BPF_RET | BPF_K, randoms.of(ACTIONS)],
          [BPF_RET | BPF_K, randoms.of(ACTIONS)],
        ]);
      const probes = Array.from({ length: 200 }, () => ({
        filters: Array.from({ length: 1 + randoms.below(3) }, byArgument),
        number: NO_CALL,
        args: Array.from({ length: 6 }, () => randoms.words()),
      }));
      const { pointer, lines } = outcomes(probes);
      const seen = new Set<string>();
      probes.forEach(({ filters, number, args }, index) => {
        const verdict = verdictOf(filters, {
          number,
          auditArch,
          instructionPointer: pointer,
          args,
        });
        seen.add(verdict);
        const [what, result, , errno] = lines[index]!.split(" ");
        // ENOSYS is also what the call itself returns.
        const actual = what === "signal" ? "forbidden" : errno === "38" ? undefined : "refused";
        if (actual === undefined) assert(verdict !== "forbidden", `${index}: ${verdict}, ENOSYS`);
        else assertEquals(verdict, actual, `${index}: ${lines[index]}`);
        if (what === "result") assertEquals(result, "-1");
      });
      assertEquals([...seen].sort(), ["allowed", "forbidden", "refused"]);
    },
  );

  requiresCompiler(
    "agrees with the kernel about architecture, instruction address and the halves of 64-bit arguments",
    () => {
      const high = seccompData.fields.args[0] + 4;
      const ofArch = assemble([
        ...ONLY_NO_CALL,
        loadOf("arch"),
        [BPF_JMP | BPF_JEQ | BPF_K, auditArch, 0, 1],
        [BPF_LD | BPF_W | BPF_ABS, high],
        [BPF_ALU | bpf.BPF_AND | BPF_K, 0x7ff],
        [BPF_ALU | bpf.BPF_OR | BPF_K, SECCOMP_RET_ERRNO],
        [BPF_RET | BPF_A, 0],
      ]);
      const ofPointer = assemble([
        ...ONLY_NO_CALL,
        loadOf("instruction_pointer"),
        [BPF_ALU | bpf.BPF_AND | BPF_K, 0x7ff],
        [BPF_ALU | bpf.BPF_OR | BPF_K, SECCOMP_RET_ERRNO],
        [BPF_RET | BPF_A, 0],
      ]);
      const args = [0x123_0000_0001n, 2n, 3n, 4n, 5n, 6n];
      const probes = [ofArch, ofPointer].map((filter) => ({
        filters: [filter],
        number: NO_CALL,
        args,
      }));
      const { pointer, lines } = outcomes(probes);
      const call = { number: NO_CALL, auditArch, instructionPointer: pointer, args };
      assertEquals(lines, [
        `result -1 errno ${runFilter(ofArch, dataOf(call)) & 0x7ff}`,
        `result -1 errno ${runFilter(ofPointer, dataOf(call)) & 0x7ff}`,
      ]);
      assertEquals(lines[0], `result -1 errno ${0x123}`);
    },
  );
});
