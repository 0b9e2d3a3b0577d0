/** Descriptors that a move closes in a target. The kernel never leaves one open, so the calls are played here. */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ERRNO } from "../../src/ffi/errno.ts";
import { closeAll } from "../../src/reptyr/move/descriptors/remote_fd.ts";
import type { RemoteSyscalls } from "../../src/tracee/remote_syscalls.ts";
import { runToCompletion, type Steps } from "../../src/tracee/steps.ts";

/** The calls that closing `fds` makes where `answers` come one after another, and then 0. */
function callsOf(fds: readonly number[], answers: readonly number[]): string[] {
  const left = [...answers];
  const made: string[] = [];
  const remote = {
    // deno-lint-ignore require-yield
    *call(name: string, ...args: readonly number[]): Steps<bigint> {
      made.push(`${name}(${args.join(", ")})`);
      return BigInt(left.shift() ?? 0);
    },
  };
  runToCompletion(closeAll(remote as unknown as RemoteSyscalls, fds));
  return made;
}

describe("closeAll", () => {
  it("closes numbers in a row by one call", () => {
    assertEquals(callsOf([7, 8, 9, 12], []), ["close_range(7, 9, 0)", "close(12)"]);
  });

  it("closes one by one on a kernel without close_range(2)", () => {
    const calls = callsOf([7, 8], [-ERRNO.ENOSYS]);
    assertEquals(calls, ["close_range(7, 8, 0)", "close(7)", "close(8)"]);
  });

  it("repeats a call that was not made", () => {
    assertEquals(callsOf([7], [-ERRNO.ENOMEM]), ["close(7)", "close(7)"]);
    assertEquals(callsOf([7], [-ERRNO.EPERM]), ["close(7)", "close(7)"]);
  });

  for (const code of ["EBADF", "EINTR", "EIO", "ENOSPC", "EDQUOT"] as const) {
    it(`does not close a number twice that is free again: ${code}`, () => {
      assertEquals(callsOf([7], [-ERRNO[code]]), ["close(7)"]);
    });
  }
});
