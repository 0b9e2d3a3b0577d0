/** What /proc tells of open descriptors. */
import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { libc } from "../../src/ffi/libc.ts";
import { readFds } from "../../src/proc/fds.ts";

// Opened within a test, it would be taken for a leak of that.
libc();

const NO_PID = 4194305; // above PID_MAX_LIMIT, so no process can have it

describe("readFds", () => {
  it("reads files with their flags, in ascending order, and takes no file for a device", () => {
    const folder = Deno.makeTempDirSync();
    const path = `${folder}/two\nlines (deleted)`;
    try {
      using file = Deno.openSync(path, { create: true, append: true });
      const info = file.statSync();
      Deno.removeSync(path);
      const fds = readFds(Deno.pid, Deno.pid) ?? [];
      assertEquals(fds.map(({ fd }) => fd), fds.map(({ fd }) => fd).toSorted((a, b) => a - b));
      const found = fds.filter(({ dev, ino }) => dev === info.dev && ino === info.ino);
      assertEquals(found.length, 1);
      const [only] = found;
      assertEquals(only?.link, `${path} (deleted)`);
      assertEquals([only?.rdev, only?.nlink, only?.isCharDevice], [0, 0, false]);
      assertEquals((only?.fdinfo.flags ?? 0) & 0o2003, 0o2001); // O_APPEND | O_WRONLY
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  });

  it("reads a character device with its number", () => {
    using file = Deno.openSync("/dev/null");
    const { rdev } = file.statSync();
    const found = readFds(Deno.pid, Deno.pid)?.filter((fd) => fd.isCharDevice && fd.rdev === rdev);
    assert(found !== undefined && found.length > 0);
    assertEquals(found[0]?.link, "/dev/null");
  });

  it("returns undefined for a thread that is gone", () => {
    assertEquals(readFds(NO_PID, NO_PID), undefined);
    assertEquals(readFds(Deno.pid, NO_PID), undefined);
  });
});
