/** bpf(2): maps, programs, and the tracepoints they run at. Each descriptor made here is close-on-exec. */
import { type Scalar, Struct } from "../struct.ts";
import {
  BPF_MAP_CREATE,
  BPF_MAP_DELETE_ELEM,
  BPF_MAP_GET_NEXT_KEY,
  BPF_MAP_LOOKUP_ELEM,
  BPF_MAP_UPDATE_ELEM,
  BPF_OBJ_GET_INFO_BY_FD,
  BPF_OBJ_NAME_LEN,
  BPF_PROG_LOAD,
  BPF_PROG_TEST_RUN,
  BPF_PROG_TYPE_RAW_TRACEPOINT,
  BPF_RAW_TRACEPOINT_OPEN,
} from "./bpf_constants.ts";
import {
  elementAttributes,
  infoAttributes,
  MAP_NAME_OFFSET,
  mapCreateAttributes,
  PROG_NAME_OFFSET,
  progLoadAttributes,
  programInfo,
  rawTracepointAttributes,
  testRunAttributes,
} from "./bpf_structs.ts";
import { ERRNO } from "./errno.ts";
import { enterKernel } from "./kernel_entry.ts";
import { addressOf, cString } from "./memory.ts";
import { orThrow } from "./raw.ts";
import { OWN_NUMBERS } from "./syscall_numbers.ts";

type Bytes = Uint8Array<ArrayBuffer>;

function bpf<F extends Record<string, readonly [number, Scalar]>>(
  command: number,
  attributes: Struct<F>,
): number {
  return enterKernel(OWN_NUMBERS.bpf, [command, attributes.bytes, attributes.bytes.length]);
}

export interface MapDefinition {
  readonly type: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  /** Elements; of a ring its bytes. */
  readonly entries: number;
  /** BPF_F_* */
  readonly flags?: number;
}

/** Make a map called `name`. Throws SyscallError. */
export function createMap(name: string, definition: MapDefinition): number {
  const { type, keyBytes, valueBytes, entries, flags } = definition;
  const attributes = new Struct(mapCreateAttributes)
    .set("map_type", type)
    .set("key_size", keyBytes)
    .set("value_size", valueBytes)
    .set("max_entries", entries)
    .set("map_flags", flags ?? 0);
  writeName(attributes.bytes, MAP_NAME_OFFSET, name);
  return orThrow(bpf(BPF_MAP_CREATE, attributes), `bpf(BPF_MAP_CREATE, ${name})`);
}

function element(command: number, fd: number, key: Bytes, value?: Bytes): number {
  return bpf(
    command,
    new Struct(elementAttributes)
      .set("map_fd", fd)
      .set("key", addressOf(key))
      .set("value", value === undefined ? 0n : addressOf(value)),
  );
}

/** Set the element `key`. Throws SyscallError. */
export function updateElement(fd: number, key: Bytes, value: Bytes): void {
  orThrow(element(BPF_MAP_UPDATE_ELEM, fd, key, value), "bpf(BPF_MAP_UPDATE_ELEM)");
}

/** Take the element `key` out, if it is there. */
export function deleteElement(fd: number, key: Bytes): void {
  element(BPF_MAP_DELETE_ELEM, fd, key);
}

/** Read the element `key` into `value`; whether it is there. */
export function lookupElement(fd: number, key: Bytes, value: Bytes): boolean {
  return element(BPF_MAP_LOOKUP_ELEM, fd, key, value) === 0;
}

/** All keys, of `keyBytes` each, that are there by now. */
export function* keysOf(fd: number, keyBytes: number): Generator<Bytes> {
  let key: Bytes | undefined;
  for (;;) {
    const next: Bytes = new Uint8Array(keyBytes);
    const attributes = new Struct(elementAttributes)
      .set("map_fd", fd)
      .set("key", key === undefined ? 0n : addressOf(key))
      .set("value", addressOf(next));
    if (bpf(BPF_MAP_GET_NEXT_KEY, attributes) !== 0) return;
    yield next;
    key = next;
  }
}

/** Log of the verifier: its last lines say why. */
const LOG_BYTES = 1 << 22;
const LOG_TAIL = 2000;

/** A program that the verifier does not accept: a mistake of ours, or a kernel that lacks something. */
export class VerifierError extends Error {
  override readonly name = "VerifierError";

  constructor(readonly program: string, readonly log: string) {
    super(`The kernel does not accept the program ${program}: ${log.slice(-LOG_TAIL)}`);
  }
}

/** Load a program for raw tracepoints. Throws VerifierError or SyscallError. */
export function loadProgram(name: string, instructions: Bytes): number {
  const license = cString("GPL"); // the helpers that read memory are for such programs only
  const load = (log?: Bytes) => {
    const attributes = new Struct(progLoadAttributes)
      .set("prog_type", BPF_PROG_TYPE_RAW_TRACEPOINT)
      .set("insn_cnt", instructions.length / 8)
      .set("insns", addressOf(instructions))
      .set("license", addressOf(license));
    if (log !== undefined) {
      attributes.set("log_level", 1).set("log_size", log.length).set("log_buf", addressOf(log));
    }
    writeName(attributes.bytes, PROG_NAME_OFFSET, name);
    return bpf(BPF_PROG_LOAD, attributes);
  };
  const fd = load();
  if (fd >= 0) return fd;
  if (fd !== -ERRNO.EPERM) {
    const log = new Uint8Array(LOG_BYTES);
    const again = load(log);
    if (again >= 0) return again;
    const text = new TextDecoder().decode(log.subarray(0, log.indexOf(0))).trimEnd();
    if (text !== "") throw new VerifierError(name, text);
  }
  return orThrow(fd, `bpf(BPF_PROG_LOAD, ${name})`);
}

/** Have `program` called at the raw tracepoint `name` as long as the result is open. Throws SyscallError. */
export function openRawTracepoint(program: number, name: string): number {
  const text = cString(name);
  const attributes = new Struct(rawTracepointAttributes)
    .set("raw_tracepoint.name", addressOf(text))
    .set("raw_tracepoint.prog_fd", program);
  return orThrow(
    bpf(BPF_RAW_TRACEPOINT_OPEN, attributes),
    `bpf(BPF_RAW_TRACEPOINT_OPEN, ${name})`,
  );
}

/** Run `program`, which looks at none of its arguments, once on this thread: what it returned. Throws SyscallError. */
export function runProgram(program: number): number {
  const attributes = new Struct(testRunAttributes).set("test.prog_fd", program);
  orThrow(bpf(BPF_PROG_TEST_RUN, attributes), "bpf(BPF_PROG_TEST_RUN)");
  return attributes.get("test.retval");
}

/** How often `program` was passed over because it ran already on that processor; 0 before Linux 5.12. */
export function missesOf(program: number): number {
  const info = new Struct(programInfo);
  const attributes = new Struct(infoAttributes)
    .set("info.bpf_fd", program)
    .set("info.info_len", info.bytes.length)
    .set("info.info", addressOf(info.bytes));
  return bpf(BPF_OBJ_GET_INFO_BY_FD, attributes) === 0 ? Number(info.get("recursion_misses")) : 0;
}

function writeName(bytes: Bytes, offset: number, name: string): void {
  new TextEncoder().encodeInto(name, bytes.subarray(offset, offset + BPF_OBJ_NAME_LEN - 1));
}
