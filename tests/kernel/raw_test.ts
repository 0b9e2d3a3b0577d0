/** Results of system calls: read from the kernel's answer, never from errno. */
import { assertEquals } from "@std/assert";
import { close, fcntl, pipe, read, write } from "../../src/ffi/descriptor.ts";
import { ERRNO } from "../../src/ffi/errno.ts";
import { enterKernel, enterKernelInARow } from "../../src/ffi/kernel_entry.ts";
import { libc } from "../../src/ffi/libc.ts";
import { kill, pidfdOpen } from "../../src/ffi/process.ts";
import { raw } from "../../src/ffi/raw.ts";
import { OWN_NUMBERS } from "../../src/ffi/syscall_numbers.ts";

const F_GETFD = 1;

// Never closed: the sanitizer of whichever test came first would call it a leak.
libc();

Deno.test("a failed call returns its error without errno", () => {
  // No call has failed before: what errno says now is not the answer.
  assertEquals(raw(-1, "fcntl", -1, F_GETFD), -ERRNO.EBADF);
  assertEquals(raw(-1n, "read", -1, new Uint8Array(1), 1), -ERRNO.EBADF);
  assertEquals(raw(-1, "kill", Deno.pid, 65), -ERRNO.EINVAL);
});

Deno.test("a call that succeeded is not made again", () => {
  using pair = Pipe.open();
  assertEquals(raw(7, "write", pair.writeEnd, new Uint8Array(1), 1), 7);
  assertEquals(read(pair.readEnd, new Uint8Array(1)), -ERRNO.EAGAIN);
});

Deno.test("each call of ours returns its own error", () => {
  assertEquals(fcntl(-1, F_GETFD), -ERRNO.EBADF);
  assertEquals(write(-1, new Uint8Array(1)), -ERRNO.EBADF);
  assertEquals(kill(Deno.pid, 65), -ERRNO.EINVAL);
  assertEquals(pidfdOpen(-1), -ERRNO.EINVAL);
});

Deno.test("a call passes all six arguments, negative numbers and buffers", () => {
  const bytes = new TextEncoder().encode("six");
  using pair = Pipe.open();
  assertEquals(enterKernel(OWN_NUMBERS.write, [pair.writeEnd, bytes, bytes.length]), 3);
  const back = new Uint8Array(8);
  assertEquals(enterKernel(OWN_NUMBERS.read, [pair.readEnd, back, 8]), 3);
  assertEquals(back.subarray(0, 3), bytes);
  // The sixth argument of process_vm_readv(2) is reserved: the kernel refuses any but 0.
  const empty = [Deno.pid, bytes, 0, bytes, 0];
  assertEquals(enterKernel(OWN_NUMBERS.process_vm_readv, [...empty, 0]), 0);
  assertEquals(enterKernel(OWN_NUMBERS.process_vm_readv, [...empty, 1]), -ERRNO.EINVAL);
});

class Pipe implements Disposable {
  private constructor(readonly readEnd: number, readonly writeEnd: number) {}

  static open(): Pipe {
    const { readEnd, writeEnd } = pipe();
    return new Pipe(readEnd, writeEnd);
  }

  [Symbol.dispose](): void {
    close(this.readEnd);
    close(this.writeEnd);
  }
}

Deno.test("a list of calls ends at the first call that fails", () => {
  const bytes = new TextEncoder().encode("abc");
  using pair = Pipe.open();
  const writing = (fd: number, count: number) => ({
    number: OWN_NUMBERS.write,
    args: [fd, bytes, count],
  });
  const { writeEnd } = pair;
  assertEquals(enterKernelInARow([writing(writeEnd, 1), writing(writeEnd, 2)]), 2);
  const failing = [writing(writeEnd, 3), writing(-1, 3), writing(writeEnd, 3)];
  assertEquals(enterKernelInARow(failing), -ERRNO.EBADF);
  const back = new Uint8Array(16);
  assertEquals(read(pair.readEnd, back), 6);
  assertEquals(new TextDecoder().decode(back.subarray(0, 6)), "aababc");
});
