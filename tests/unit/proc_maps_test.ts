import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { executableOrStack, parseMaps, readMaps } from "../../src/proc/maps.ts";

describe("parseMaps", () => {
  it("reads addresses, rights, file and path", () => {
    const text =
      "55a4c0000000-55a4c0002000 r--p 00000000 103:02 1234567                    /usr/bin/cat\n" +
      "7f0000000000-7f0000001000 rw-s 00003000 00:01 42   /dev/shm/two  words\\012and more (deleted)\n" +
      "7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                          [stack]\n" +
      "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n" +
      "7f1000000000-7f1000001000 ---p 00000000 00:00 0 \n";
    assertEquals(parseMaps(text), [
      {
        start: 0x55a4c0000000n,
        end: 0x55a4c0002000n,
        readable: true,
        writable: false,
        executable: false,
        shared: false,
        offset: 0n,
        dev: "103:02",
        inode: 1234567n,
        path: "/usr/bin/cat",
      },
      {
        start: 0x7f0000000000n,
        end: 0x7f0000001000n,
        readable: true,
        writable: true,
        executable: false,
        shared: true,
        offset: 0x3000n,
        dev: "00:01",
        inode: 42n,
        path: "/dev/shm/two  words\\012and more (deleted)",
      },
      {
        start: 0x7ffd00000000n,
        end: 0x7ffd00021000n,
        readable: true,
        writable: true,
        executable: false,
        shared: false,
        offset: 0n,
        dev: "00:00",
        inode: 0n,
        path: "[stack]",
      },
      {
        start: 0xffffffffff600000n,
        end: 0xffffffffff601000n,
        readable: false,
        writable: false,
        executable: true,
        shared: false,
        offset: 0n,
        dev: "00:00",
        inode: 0n,
        path: "[vsyscall]",
      },
      {
        start: 0x7f1000000000n,
        end: 0x7f1000001000n,
        readable: false,
        writable: false,
        executable: false,
        shared: false,
        offset: 0n,
        dev: "00:00",
        inode: 0n,
        path: "",
      },
    ]);
  });

  it("accepts a path with characters that end a line in other formats", () => {
    const [mapping] = parseMaps("1000-2000 r-xp 00000000 00:00 7    /tmp/a\rb\u2028c\n");
    assertEquals(mapping?.path, "/tmp/a\rb\u2028c");
  });

  it("keeps the executable mappings and the stack, and takes no part of a path for a line", () => {
    const code = "1000-2000 r-xp 00000000 00:00 7    /tmp/a\r3000-4000 r-xp 0 0:0 0 [vdso]";
    const data = "5000-6000 rw-p 00000000 00:00 7    /tmp/b\r3000-4000 r-xp 0 0:0 0 [vdso]";
    const stack = "7000-8000 rw-p 00000000 00:00 0    [stack]";
    const named = "8000-9000 rw-p 00000000 00:00 9    /tmp/[stack]x";
    const last = "a000-b000 r-xp 00000000 00:00 0    [vdso]";
    const text = [code, data, stack, named, last].join("\n") + "\n";
    assertEquals(executableOrStack(text), ["", code, stack, last].join("\n"));
    assertEquals(executableOrStack(""), "");
  });

  it("reads nothing from an empty text and refuses a line of another shape", () => {
    assertEquals(parseMaps(""), []);
    assertThrows(() => parseMaps("1000-2000 rwxp\n"), SyntaxError, "Not a /proc/PID/maps line");
  });
});

describe("readMaps", () => {
  it("reads this process, its vdso included", () => {
    const maps = readMaps(Deno.pid) ?? [];
    const vdso = maps.find((mapping) => mapping.path === "[vdso]");
    assert(vdso !== undefined && vdso.executable && vdso.end > vdso.start);
  });
  it("says undefined for a process that is gone", () => {
    assertEquals(readMaps(4194305), undefined);
  });
});
