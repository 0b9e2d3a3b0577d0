import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Mapping } from "../../src/proc/maps.ts";
import { isServed, parseMounts, readMounts } from "../../src/proc/mounts.ts";

const TEXT = [
  "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue",
  "40 36 0:35 / /home/me/far rw,nosuid shared:7 propagate_from:2 - fuse.sshfs me@far: rw,user_id=1000",
  "41 36 0:36 / /home/me/a\\040b rw - nfs4 far:/export rw,vers=4.2",
  "42 36 8:17 / /stick rw - fuseblk /dev/sdb1 rw,user_id=0",
  "43 36 0:5 / /dev rw - devtmpfs udev rw",
  "44 36 0:40 / /sys/fs/fuse/connections rw - fusectl none rw",
  "",
].join("\n");

const mapping = (dev: string, inode = 7n) => ({ dev, inode }) as Mapping;

describe("parseMounts", () => {
  it("distinguishes file systems with a server from the kernel's own", () => {
    const { devices, served, ids, servedIds } = parseMounts(TEXT);
    assertEquals([...devices], ["98:0", "0:35", "0:36", "8:17", "0:5", "0:40"]);
    assertEquals([...served], ["0:35", "0:36", "8:17"]);
    assertEquals([...ids], [36, 40, 41, 42, 43, 44]);
    assertEquals([...servedIds], [40, 41, 42]);
  });
  it("ignores text that is no mount line", () => {
    assertEquals(parseMounts("one two\n36 35 98:0 / / rw -\n").devices.size, 0);
  });
});

describe("isServed", () => {
  const mounts = parseMounts(TEXT);
  it("compares devices, which /proc/PID/maps has in hexadecimal", () => {
    assertEquals(isServed(mapping("00:23"), mounts), true); // 0:35
    assertEquals(isServed(mapping("08:11"), mounts), true); // 8:17
    assertEquals(isServed(mapping("62:00"), mounts), false); // 98:0
    assertEquals(isServed(mapping("00:05"), mounts), false);
  });
  it("takes a file system that is mounted nowhere for served, unless it is on a device", () => {
    assertEquals(isServed(mapping("00:99"), mounts), true);
    assertEquals(isServed(mapping("fd:01"), mounts), false);
  });
  it("is false for memory without a file", () => {
    assertEquals(isServed(mapping("00:00", 0n), mounts), false);
  });
});

describe("readMounts", () => {
  it("finds the mounts of this process", () => {
    assertEquals(readMounts(Deno.pid, Deno.pid).devices.size > 0, true);
  });
});
