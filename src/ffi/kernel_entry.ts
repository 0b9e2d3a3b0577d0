/**
 * The kernel's own entry: a system call whose raw result comes back as one number. errno is not safe to read from
 * JavaScript (docs/kernel-notes.md#errno-in-javascript), and syscall(2) sets errno too. So these are the instructions of
 * its first half, without the second.
 */
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_EXEC, PROT_READ, PROT_WRITE } from "./constants.ts";
import { libc } from "./libc.ts";
import { addressOf } from "./memory.ts";

/** `long entry(long number, long arg1, ... long arg6)` as machine code: psABI in, kernel's convention out. */
const CODE: Readonly<Record<typeof Deno.build.arch, readonly number[]>> = {
  x86_64: [
    ...[0x48, 0x89, 0xf8], // mov %rdi, %rax
    ...[0x48, 0x89, 0xf7], // mov %rsi, %rdi
    ...[0x48, 0x89, 0xd6], // mov %rdx, %rsi
    ...[0x48, 0x89, 0xca], // mov %rcx, %rdx
    ...[0x4d, 0x89, 0xc2], // mov %r8, %r10
    ...[0x4d, 0x89, 0xc8], // mov %r9, %r8
    ...[0x4c, 0x8b, 0x4c, 0x24, 0x08], // mov 8(%rsp), %r9
    ...[0x0f, 0x05], // syscall
    0xc3, // ret
  ],
  aarch64: [
    ...[0xe8, 0x03, 0x00, 0xaa], // mov x8, x0
    ...[0xe0, 0x03, 0x01, 0xaa], // mov x0, x1
    ...[0xe1, 0x03, 0x02, 0xaa], // mov x1, x2
    ...[0xe2, 0x03, 0x03, 0xaa], // mov x2, x3
    ...[0xe3, 0x03, 0x04, 0xaa], // mov x3, x4
    ...[0xe4, 0x03, 0x05, 0xaa], // mov x4, x5
    ...[0xe5, 0x03, 0x06, 0xaa], // mov x5, x6
    ...[0x01, 0x00, 0x00, 0xd4], // svc #0
    ...[0xc0, 0x03, 0x5f, 0xd6], // ret
  ],
};

const SIGNATURE = {
  parameters: ["isize", "usize", "usize", "usize", "usize", "usize", "usize"],
  result: "isize",
} as const;

/** Words of one call of {@linkcode ROW_CODE}: its number and its first four arguments. */
const ROW_WORDS = 5;

/**
 * `long row(const long *calls, long count)`: calls one after another, up to the first that fails. Between two of them no
 * JavaScript runs, which may take milliseconds.
 */
const ROW_CODE: Readonly<Record<typeof Deno.build.arch, readonly number[]>> = {
  x86_64: [
    ...[0x49, 0x89, 0xf8], // mov %rdi, %r8
    ...[0x49, 0x89, 0xf1], // mov %rsi, %r9
    ...[0x49, 0x8b, 0x00], // next: mov (%r8), %rax
    ...[0x49, 0x8b, 0x78, 0x08], // mov 8(%r8), %rdi
    ...[0x49, 0x8b, 0x70, 0x10], // mov 16(%r8), %rsi
    ...[0x49, 0x8b, 0x50, 0x18], // mov 24(%r8), %rdx
    ...[0x4d, 0x8b, 0x50, 0x20], // mov 32(%r8), %r10
    ...[0x0f, 0x05], // syscall
    ...[0x48, 0x85, 0xc0], // test %rax, %rax
    ...[0x78, 0x09], // js end
    ...[0x49, 0x83, 0xc0, 0x28], // add $40, %r8
    ...[0x49, 0xff, 0xc9], // dec %r9
    ...[0x75, 0xdd], // jnz next
    0xc3, // end: ret
  ],
  aarch64: [
    ...[0xe9, 0x03, 0x00, 0xaa], // mov x9, x0
    ...[0xea, 0x03, 0x01, 0xaa], // mov x10, x1
    ...[0x28, 0x01, 0x40, 0xa9], // next: ldp x8, x0, [x9]
    ...[0x21, 0x09, 0x41, 0xa9], // ldp x1, x2, [x9, #16]
    ...[0x23, 0x11, 0x40, 0xf9], // ldr x3, [x9, #32]
    ...[0x01, 0x00, 0x00, 0xd4], // svc #0
    ...[0x80, 0x00, 0xf8, 0xb7], // tbnz x0, #63, end
    ...[0x29, 0xa1, 0x00, 0x91], // add x9, x9, #40
    ...[0x4a, 0x05, 0x00, 0xf1], // subs x10, x10, #1
    ...[0x21, 0xff, 0xff, 0x54], // b.ne next
    ...[0xc0, 0x03, 0x5f, 0xd6], // end: ret
  ],
};

const ROW_SIGNATURE = { parameters: ["buffer", "isize"], result: "isize" } as const;

/** `(void *) -1`: mmap(2). */
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

let entry: Deno.UnsafeFnPointer<typeof SIGNATURE> | undefined;
let row: Deno.UnsafeFnPointer<typeof ROW_SIGNATURE> | undefined;

/** What the kernel answers to call `number`: 0 or more, or a negated errno. Buffers go as their addresses. */
export function enterKernel(
  number: number,
  args: readonly (number | bigint | Uint8Array<ArrayBuffer>)[],
): number {
  entry ??= new Deno.UnsafeFnPointer(executable<typeof SIGNATURE>(CODE), SIGNATURE);
  const [arg1, arg2, arg3, arg4, arg5, arg6] = args.map(toRegister);
  return Number(
    entry.call(
      BigInt(number),
      arg1 ?? 0n,
      arg2 ?? 0n,
      arg3 ?? 0n,
      arg4 ?? 0n,
      arg5 ?? 0n,
      arg6 ?? 0n,
    ),
  );
}

function toRegister(value: number | bigint | Uint8Array<ArrayBuffer>): bigint {
  if (typeof value === "object") return addressOf(value);
  return BigInt.asUintN(64, BigInt(value));
}

/** A system call of at most four arguments. */
export interface RowCall {
  readonly number: number;
  readonly args: readonly (number | bigint | Uint8Array<ArrayBuffer>)[];
}

/**
 * Make `calls` one after another, as close together as can be, up to the first that fails: the result of the last that was
 * made.
 */
export function enterKernelInARow(calls: readonly RowCall[]): number {
  row ??= new Deno.UnsafeFnPointer(executable<typeof ROW_SIGNATURE>(ROW_CODE), ROW_SIGNATURE);
  const words = new BigUint64Array(ROW_WORDS * calls.length);
  calls.forEach(({ number, args }, index) =>
    words.set([BigInt(number), ...args.map(toRegister)], ROW_WORDS * index)
  );
  return Number(row.call(new Uint8Array(words.buffer), BigInt(calls.length)));
}

/**
 * `code` of this processor in a page that is never writable and executable at once. On aarch64 the kernel makes the
 * instruction cache agree when it maps a page executable. Throws a plain `Error`, where V8 could not have made its own
 * pages.
 */
function executable<F extends Deno.UnsafeCallbackDefinition>(
  codes: Readonly<Record<typeof Deno.build.arch, readonly number[]>>,
): Deno.PointerObject<F> {
  const code = new Uint8Array(codes[Deno.build.arch]);
  const length = BigInt(code.length);
  const { mmap, memcpy, mprotect } = libc();
  const page = mmap(0n, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0n);
  const pointer = page === MAP_FAILED ? null : Deno.UnsafePointer.create<F>(page);
  if (pointer !== null) memcpy(page, code, length);
  if (pointer === null || mprotect(page, length, PROT_READ | PROT_EXEC) !== 0) {
    throw new Error("Cannot make a page of memory executable");
  }
  return pointer;
}
