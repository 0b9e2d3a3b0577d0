import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { SyscallError } from "../../src/errors.ts";
import { O_CLOEXEC, O_RDONLY, O_RDWR, O_WRONLY } from "../../src/ffi/constants.ts";
import { close, open, pipe, read } from "../../src/ffi/descriptor.ts";
import { spawn, type SpawnOptions } from "../../src/ffi/spawn.ts";
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { Child, childrenOf } from "../support/child.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";

const ENV = { PATH: Deno.env.get("PATH")! };

/** All that `argv` writes to its fd 1, and how it ends. */
function run(argv: readonly string[], options: Partial<SpawnOptions> = {}) {
  const { readEnd, writeEnd } = pipe();
  const files = [...options.files ?? [], { fd: 1, dup: writeEnd }];
  using child = new Child(spawn(argv, { env: ENV, ...options, files }));
  close(writeEnd);
  const status = waitUntil(`${argv[0]} to end`, () => child.status);
  const buffer = new Uint8Array(1 << 16);
  const count = read(readEnd, buffer);
  close(readEnd);
  return { status, output: new TextDecoder().decode(buffer.subarray(0, Math.max(0, count))) };
}

describe("spawn", () => {
  it("runs a program with exactly these arguments and this environment", () => {
    const argv = ["sh", "-c", 'printf "%s|" "$@"; env | sort', "sh", "a b", "", "ä\n'"];
    const { status, output } = run(argv, { env: { B: "2 = two", A: "" } });
    assertEquals(status, { kind: "exited", status: 0 });
    // PWD, and _ in some, are made by the shell itself.
    const kept = output.split("\n").filter((line) => !/^(PWD|_|OLDPWD|SHLVL)=/.test(line));
    assertEquals(kept.join("\n"), "a b||ä\n'|A=\nB=2 = two\n");
  });

  it("gives it default actions for all signals and blocks none", () => {
    const { output } = run(["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]);
    assertEquals(output, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  });

  it("opens files and duplicates descriptors in the order given", () => {
    const { output } = run(
      ["sh", "-c", "readlink /proc/self/fd/0 /proc/self/fd/7 /proc/self/fd/8"],
      {
        files: [
          { fd: 0, path: "/dev/null", flags: O_RDONLY },
          { fd: 7, path: "/dev/zero", flags: O_WRONLY },
          { fd: 8, dup: 7 },
          { fd: 7, dup: 0 },
        ],
      },
    );
    assertEquals(output, "/dev/null\n/dev/null\n/dev/zero\n");
  });

  it("passes a close-on-exec descriptor on under its own number", () => {
    const fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    const { output } = run(["readlink", `/proc/self/fd/${fd}`], { files: [{ fd, dup: fd }] });
    close(fd);
    assertEquals(output, "/dev/zero\n");
    const { status } = run(["test", "-e", `/proc/self/fd/${fd}`]);
    assertEquals(status, { kind: "exited", status: 1 });
  });

  it("makes a session whose controlling terminal is the first terminal that it opens", () => {
    using terminal = new Terminal();
    using child = new Child(
      spawn(["cat"], {
        env: ENV,
        newSession: true,
        files: [{ fd: 0, path: terminal.device, flags: O_RDWR }, { fd: 1, dup: 0 }],
      }),
    );
    const stat = readStat(child.pid)!;
    assertEquals([stat.session, stat.pgrp, stat.tpgid], [child.pid, child.pid, child.pid]);
    terminal.line("hello");
    terminal.expect("hello\r\nhello\r\n");
  });

  it("makes a process group of its own, or stays in its group", () => {
    const group = (options: Partial<SpawnOptions>) => {
      using child = new Child(spawn(["sleep", "1000"], { env: ENV, ...options }));
      const { pgrp, session } = readStat(child.pid)!;
      return [pgrp === child.pid, session === child.pid];
    };
    assertEquals(group({ newGroup: true }), [true, false]);
    assertEquals(group({ newSession: true }), [true, true]);
    assertEquals(group({}), [false, false]);
  });

  it("throws and leaves no child when the program or a file is not there", () => {
    const before = childrenOf(Deno.pid).length;
    const missing = assertThrows(
      () => spawn(["/nonexistent/program"], { env: ENV }),
      SyscallError,
    );
    assertEquals(
      missing.message,
      "posix_spawnp(/nonexistent/program) failed: no such file or " +
        "directory (ENOENT)",
    );
    const files = [{ fd: 0, path: "/nonexistent/file", flags: O_RDONLY }];
    assertThrows(() => spawn(["true"], { env: ENV, files }), SyscallError, "ENOENT");
    assertThrows(() => spawn([], { env: ENV }), RangeError);
    assertThrows(() => spawn(["true\0"], { env: ENV }), RangeError);
    assertThrows(
      () => spawn(["true"], { env: ENV, files: [{ fd: 0, path: "/dev/null", flags: O_CLOEXEC }] }),
      RangeError,
    );
    assertEquals(childrenOf(Deno.pid).length, before);
    assertEquals(readStatus(Deno.pid)?.tgid, Deno.pid);
  });
});
