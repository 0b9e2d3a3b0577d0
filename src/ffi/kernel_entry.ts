/**
 * The kernel's own entry: a system call whose raw result comes back as one number.
 *
 * The C library's wrappers keep the error apart, in errno, and JavaScript reads that in a second step.
 * Between the two V8 may collect garbage on this thread, whose own calls leave their errors there: one in
 * some millions is read wrong, and EAGAIN in place of EIO is a wrong decision. `syscall(2)` is no help, it
 * sets errno too. So these are the instructions of its first half, without the second.
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

/** `(void *) -1`: mmap(2). */
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

let entry: Deno.UnsafeFnPointer<typeof SIGNATURE> | undefined;

/** What the kernel answers to call `number`: 0 or more, or a negated errno. Buffers go as their addresses. */
export function enterKernel(
  number: number,
  args: readonly (number | bigint | Uint8Array<ArrayBuffer>)[],
): number {
  entry ??= makeEntry();
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

/**
 * A page that is never writable and executable at once. On aarch64 the kernel makes the instruction cache
 * agree when it maps a page executable. Throws a plain `Error`, where V8 could not have made its own pages.
 */
function makeEntry(): Deno.UnsafeFnPointer<typeof SIGNATURE> {
  const code = new Uint8Array(CODE[Deno.build.arch]);
  const length = BigInt(code.length);
  const { mmap, memcpy, mprotect } = libc();
  const page = mmap(0n, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0n);
  const pointer = page === MAP_FAILED ? null : Deno.UnsafePointer.create<typeof SIGNATURE>(page);
  if (pointer !== null) memcpy(page, code, length);
  if (pointer === null || mprotect(page, length, PROT_READ | PROT_EXEC) !== 0) {
    throw new Error("Cannot make a page of memory executable");
  }
  return new Deno.UnsafeFnPointer(pointer, SIGNATURE);
}
