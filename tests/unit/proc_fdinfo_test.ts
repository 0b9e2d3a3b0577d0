import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { parseFdinfo } from "../../src/proc/fdinfo.ts";

const HEAD = "pos:\t0\nflags:\t02004002\nmnt_id:\t26\nino:\t6\n";

describe("parseFdinfo", () => {
  it("reads flags as octal and the rest as decimal", () => {
    assertEquals(parseFdinfo(HEAD), {
      flags: 0o2004002,
      mntId: 26,
      ttyIndex: undefined,
      epoll: [],
    });
  });

  it("recognises a pty master by its tty-index, 0 included", () => {
    assertEquals(parseFdinfo(`${HEAD}tty-index:\t12\n`).ttyIndex, 12);
    assertEquals(parseFdinfo(`${HEAD}tty-index:\t0\n`).ttyIndex, 0);
  });

  it("is not misled by a file name with a carriage return", () => {
    const named = `${HEAD}size:\t4096\nname:\tx\rtty-index:\t5\rmnt_id:\t9\n`;
    assertEquals(parseFdinfo(named).ttyIndex, undefined);
    assertEquals(parseFdinfo(`name:\t\rmnt_id:\t9\r\n${HEAD}`).mntId, 26);
  });

  it("reads epoll entries: tfd decimal, all else hex, data with all its 64 bits", () => {
    const text =
      `${HEAD}tfd:        5 events:       19 data:                5  pos:0 ino:3 sdev:17\n` +
      "tfd:       10 events: 80000019 data: fffffffffffffff1  pos:12 ino:a1f sdev:800001\n" +
      "tfd:        0 events: 40002019 data: deadbeef0000000a  pos:0 ino:ffffffffff sdev:0\n";
    assertEquals(parseFdinfo(text).epoll, [
      { tfd: 5, events: 0x19, data: 5n, ino: 3, sdev: 0x17 },
      { tfd: 10, events: 0x80000019, data: 0xfffffffffffffff1n, ino: 0xa1f, sdev: 0x800001 },
      { tfd: 0, events: 0x40002019, data: 0xdeadbeef0000000an, ino: 0xffffffffff, sdev: 0 },
    ]);
  });

  it("reads the short epoll lines of old kernels", () => {
    assertEquals(parseFdinfo(`${HEAD}tfd:        3 events:        1 data: 7fff00000003\n`).epoll, [
      { tfd: 3, events: 1, data: 0x7fff00000003n, ino: undefined, sdev: undefined },
    ]);
  });

  it("refuses a text without flags or mount", () => {
    assertThrows(() => parseFdinfo(""), SyntaxError, "Not an fdinfo file");
    assertThrows(() => parseFdinfo("flags:\t02\n"), SyntaxError);
    assertThrows(() => parseFdinfo("flags:\t09\nmnt_id:\t1\n"), SyntaxError);
  });
});
