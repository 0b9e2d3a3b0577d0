/**
 * An assembler for eBPF (Documentation/bpf/standardization/instruction-set.rst). Pure. One statement a line, written as
 * the kernel's verifier prints them; `//` begins a comment.
 *
 *     label:
 *     r1 = r2                r1 = -5              w1 = w2               r1 = 0x1122334455 ll
 *     r1 += r2               r1 <<= 8             r1 s>>= 2             w1 &= 7
 *     r1 = *(u32 *)(r2 + 8)  *(u64 *)(r10 - 8) = r1                     *(u32 *)(r10 - 4) = 5
 *     lock *(u64 *)(r1 + 0) += r2
 *     if r1 == 5 goto label  if w1 s> w2 goto label                     goto label
 *     r1 = map NAME          r1 = value NAME + 8  (the map itself; a place in the value of a map of one element)
 *     call map_lookup_elem   exit
 */
import * as bpf from "../../ffi/bpf_constants.ts";

interface Instruction {
  readonly code: number;
  readonly dst?: number;
  readonly src?: number;
  readonly offset?: number;
  readonly immediate?: number;
  /** Label to jump to, in place of an offset. */
  readonly target?: string;
}

type Maps = Readonly<Record<string, number>>;

const SIZES: Readonly<Record<string, number>> = {
  u8: bpf.BPF_B,
  u16: bpf.BPF_H,
  u32: bpf.BPF_W,
  u64: bpf.BPF_DW,
};

const OPERATIONS: Readonly<Record<string, number>> = {
  "": bpf.BPF_MOV,
  "+": bpf.BPF_ADD,
  "-": bpf.BPF_SUB,
  "*": bpf.BPF_MUL,
  "/": bpf.BPF_DIV,
  "%": bpf.BPF_MOD,
  "|": bpf.BPF_OR,
  "&": bpf.BPF_AND,
  "^": bpf.BPF_XOR,
  "<<": bpf.BPF_LSH,
  ">>": bpf.BPF_RSH,
  "s>>": bpf.BPF_ARSH,
};

const COMPARISONS: Readonly<Record<string, number>> = {
  "==": bpf.BPF_JEQ,
  "!=": bpf.BPF_JNE,
  ">": bpf.BPF_JGT,
  ">=": bpf.BPF_JGE,
  "<": bpf.BPF_JLT,
  "<=": bpf.BPF_JLE,
  "s>": bpf.BPF_JSGT,
  "s>=": bpf.BPF_JSGE,
  "s<": bpf.BPF_JSLT,
  "s<=": bpf.BPF_JSLE,
  "&": bpf.BPF_JSET,
};

const HELPERS: Readonly<Record<string, unknown>> = bpf;

const NUMBER = "-?(?:0x[0-9a-f]+|\\d+)";
const PLACE = "\\*\\((u\\d+) \\*\\)\\(r(\\d+) ([+-]) (\\d+)\\)";

/** The first pattern that fits decides. */
const STATEMENTS: readonly [RegExp, (words: string[], maps: Maps) => Instruction[]][] = [
  [/^exit$/, () => [{ code: bpf.BPF_JMP | bpf.BPF_EXIT }]],
  [/^goto (\w+)$/, ([target = ""]) => [{ code: bpf.BPF_JMP | bpf.BPF_JA, target }]],
  [/^call (\w+)$/, ([name]) => {
    const immediate = HELPERS[`BPF_FUNC_${name}`];
    if (typeof immediate !== "number") throw new SyntaxError(`no helper ${name}`);
    return [{ code: bpf.BPF_JMP | bpf.BPF_CALL, immediate }];
  }],
  [
    new RegExp(`^if ([rw])(\\d+) (\\S+) (?:([rw])(\\d+)|(${NUMBER})) goto (\\w+)$`),
    ([width, dst, comparison = "", otherWidth, src, number, target = ""]) => {
      const operation = COMPARISONS[comparison];
      if (operation === undefined) throw new SyntaxError(`no comparison ${comparison}`);
      const code = (width === "r" ? bpf.BPF_JMP : bpf.BPF_JMP32) | operation;
      return [{
        code,
        dst: register(dst),
        target,
        ...operand(width, otherWidth, src, number),
      }];
    },
  ],
  [
    /^r(\d+) = map (\w+)$/,
    ([dst, name], maps) => wide(dst, bpf.BPF_PSEUDO_MAP_FD, fd(maps, name), 0),
  ],
  [
    /^r(\d+) = value (\w+) \+ (\d+)$/,
    ([dst, name, offset], maps) =>
      wide(dst, bpf.BPF_PSEUDO_MAP_VALUE, fd(maps, name), Number(offset)),
  ],
  [new RegExp(`^r(\\d+) = (${NUMBER}) ll$`), ([dst, number = ""]) => {
    const value = BigInt(number);
    return wide(dst, 0, Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)));
  }],
  [
    new RegExp(`^r(\\d+) = ${PLACE}$`),
    ([dst, size, src, sign = "", distance = ""]) => [{
      code: bpf.BPF_LDX | bpf.BPF_MEM | sizeOf(size),
      dst: register(dst),
      src: register(src),
      offset: Number(sign + distance),
    }],
  ],
  [
    new RegExp(`^${PLACE} = r(\\d+)$`),
    ([size, dst, sign = "", distance = "", src]) => [{
      code: bpf.BPF_STX | bpf.BPF_MEM | sizeOf(size),
      dst: register(dst),
      src: register(src),
      offset: Number(sign + distance),
    }],
  ],
  [
    new RegExp(`^${PLACE} = (${NUMBER})$`),
    ([size, dst, sign = "", distance = "", number]) => [{
      code: bpf.BPF_ST | bpf.BPF_MEM | sizeOf(size),
      dst: register(dst),
      offset: Number(sign + distance),
      immediate: immediate(number),
    }],
  ],
  [
    new RegExp(`^lock ${PLACE} \\+= r(\\d+)$`),
    ([size, dst, sign = "", distance = "", src]) => [{
      code: bpf.BPF_STX | bpf.BPF_ATOMIC | sizeOf(size),
      dst: register(dst),
      src: register(src),
      offset: Number(sign + distance),
      immediate: bpf.BPF_ADD,
    }],
  ],
  [
    new RegExp(`^([rw])(\\d+) (\\S*)= (?:([rw])(\\d+)|(${NUMBER}))$`),
    ([width, dst, sign = "", otherWidth, src, number]) => {
      const operation = OPERATIONS[sign];
      if (operation === undefined) throw new SyntaxError(`no operation ${sign}=`);
      const code = (width === "r" ? bpf.BPF_ALU64 : bpf.BPF_ALU) | operation;
      return [{ code, dst: register(dst), ...operand(width, otherWidth, src, number) }];
    },
  ],
];

/** The second operand: a register, or a number. {@linkcode encode} marks which of them in the code. */
function operand(
  width: string | undefined,
  otherWidth: string | undefined,
  src: string | undefined,
  number: string | undefined,
): { src: number } | { immediate: number } {
  if (src === undefined) return { immediate: immediate(number) };
  if (width !== otherWidth) throw new SyntaxError("registers of two widths");
  return { src: register(src) };
}

function register(text: string | undefined): number {
  const number = Number(text);
  if (!(number >= 0 && number <= 10)) throw new SyntaxError(`no register r${text}`);
  return number;
}

function immediate(text = ""): number {
  const value = Number(text.replace("-", "")) * (text.startsWith("-") ? -1 : 1);
  if (value < -0x8000_0000 || value > 0xffff_ffff) throw new SyntaxError(`${text} needs "ll"`);
  return value | 0;
}

function sizeOf(name = ""): number {
  const size = SIZES[name];
  if (size === undefined) throw new SyntaxError(`no type ${name}`);
  return size;
}

function fd(maps: Maps, name = ""): number {
  const fd = maps[name];
  if (fd === undefined) throw new SyntaxError(`no map ${name}`);
  return fd;
}

/** The only instruction of two slots: a 64-bit immediate, or what `source` makes of it. */
function wide(dst: string | undefined, source: number, low: number, high: number): Instruction[] {
  const code = bpf.BPF_LD | bpf.BPF_IMM | bpf.BPF_DW;
  return [{ code, dst: register(dst), src: source, immediate: low }, { code: 0, immediate: high }];
}

function isWide({ code }: Instruction): boolean {
  return code === (bpf.BPF_LD | bpf.BPF_IMM | bpf.BPF_DW);
}

/**
 * The instructions of `text`, 8 bytes each; `maps` has the descriptors of the maps it names. What cannot be reached is
 * left out, as the verifier refuses it: text that several programs share may have such parts. Throws SyntaxError.
 */
export function assemble(text: string, maps: Maps = {}): Uint8Array<ArrayBuffer> {
  const { instructions, labels } = parse(text, maps);
  const goal = (label: string) => {
    const index = labels.get(label);
    if (index === undefined) throw new SyntaxError(`no label ${label}`);
    return index;
  };
  const places = placesOf(instructions, goal);
  const placeOf = (label: string) => {
    const place = places.get(goal(label));
    if (place === undefined) throw new SyntaxError(`nothing reaches label ${label}`);
    return place;
  };
  const bytes = new Uint8Array(places.size * 8);
  const view = new DataView(bytes.buffer);
  for (const [index, instruction] of instructions.entries()) {
    const place = places.get(index);
    if (place === undefined) continue;
    const offset = instruction.target === undefined
      ? instruction.offset ?? 0
      : placeOf(instruction.target) - place - 1;
    encode(view, place * 8, instruction, offset);
  }
  return bytes;
}

function parse(
  text: string,
  maps: Maps,
): { instructions: Instruction[]; labels: Map<string, number> } {
  const instructions: Instruction[] = [];
  const labels = new Map<string, number>();
  for (const line of text.split("\n")) {
    const statement = line.replace(/\/\/.*/, "").trim();
    if (statement === "") continue;
    const label = /^(\w+):$/.exec(statement)?.[1];
    if (label === undefined) instructions.push(...parseStatement(statement, maps));
    else if (labels.has(label)) throw new SyntaxError(`label ${label} stands twice`);
    else labels.set(label, instructions.length);
  }
  return { instructions, labels };
}

function parseStatement(statement: string, maps: Maps): Instruction[] {
  for (const [pattern, build] of STATEMENTS) {
    const match = pattern.exec(statement);
    if (match === null) continue;
    try {
      return build(match.slice(1), maps);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw new SyntaxError(`${statement}: ${error.message}`);
    }
  }
  throw new SyntaxError(`${statement}: no such statement`);
}

/** Where each instruction that can be reached goes, by its index; in order. */
function placesOf(
  instructions: readonly Instruction[],
  goal: (label: string) => number,
): Map<number, number> {
  const reached = new Set<number>();
  const ahead = [0];
  for (let index = ahead.pop(); index !== undefined; index = ahead.pop()) {
    while (!reached.has(index)) {
      const instruction: Instruction | undefined = instructions[index];
      if (instruction === undefined) throw new SyntaxError("the program runs past its end");
      reached.add(index);
      if (isWide(instruction)) reached.add(++index);
      if (instruction.target !== undefined) ahead.push(goal(instruction.target));
      const { code } = instruction;
      if (code === (bpf.BPF_JMP | bpf.BPF_EXIT) || code === (bpf.BPF_JMP | bpf.BPF_JA)) break;
      index++;
    }
  }
  return new Map([...reached].sort((a, b) => a - b).map((index, place) => [index, place]));
}

/** Classes whose instructions say by BPF_X that the second operand is a register. */
const COMPUTING = [bpf.BPF_ALU, bpf.BPF_ALU64, bpf.BPF_JMP, bpf.BPF_JMP32];

function encode(view: DataView, at: number, instruction: Instruction, offset: number): void {
  const { code, dst = 0, src, immediate = 0 } = instruction;
  const isRegister = src !== undefined && COMPUTING.includes(code & 7);
  view.setUint8(at, isRegister ? code | bpf.BPF_X : code);
  view.setUint8(at + 1, (src ?? 0) << 4 | dst);
  view.setInt16(at + 2, offset, true);
  view.setInt32(at + 4, immediate, true);
}
