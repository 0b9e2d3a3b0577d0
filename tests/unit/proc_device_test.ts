import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  decodeDevice,
  decodeKernelDevice,
  encodeDevice,
  isDevTty,
  isPtmx,
  isTerminal,
  terminalName,
} from "../../src/proc/device.ts";

describe("decodeDevice", () => {
  const table: [number, number, number][] = [
    [0, 0, 0],
    [34816, 136, 0],
    [34819, 136, 3],
    [0x108800 | 0x2c, 136, 256 + 0x2c], // pts/300: minor bits 8 and up lie above the major
    [1025, 4, 1],
    [1088, 4, 64],
    [1280, 5, 0],
    [1282, 5, 2],
    [0x0ff088ff, 136, 0xffff],
    [-2147448832, 136, 0x80000], // field 7 of /proc/PID/stat is signed
  ];
  for (const [dev, major, minor] of table) {
    it(`takes ${dev} for ${major}:${minor}`, () => {
      assertEquals(decodeDevice(dev), { major, minor });
      assertEquals(encodeDevice({ major, minor }), dev >>> 0);
    });
  }

  it("agrees with the kernel's stat of a known device", () => {
    assertEquals(decodeDevice(Deno.statSync("/dev/null").rdev ?? -1), { major: 1, minor: 3 });
  });
});

describe("decodeKernelDevice", () => {
  it("splits at bit 20", () => {
    assertEquals(decodeKernelDevice(0x17), { major: 0, minor: 23 });
    assertEquals(decodeKernelDevice(0x800001), { major: 8, minor: 1 });
    assertEquals(decodeKernelDevice(0x8880012c), { major: 0x888, minor: 300 });
  });
});

describe("terminalName and isTerminal", () => {
  const terminals: [number, number, string][] = [
    [136, 0, "pts/0"],
    [136, 300, "pts/300"],
    [137, 1, "pts/257"],
    [143, 255, "pts/2047"],
    [4, 1, "tty1"],
    [4, 63, "tty63"],
    [4, 64, "ttyS0"],
    [4, 67, "ttyS3"],
    [5, 0, "tty"],
    [5, 1, "console"],
    [3, 0, "ttyp0"],
    [3, 0x1f, "ttyqf"],
    [188, 2, "ttyUSB2"],
    [166, 0, "ttyACM0"],
    [229, 0, "hvc0"],
    [204, 64, "tty 204:64"],
  ];
  for (const [major, minor, name] of terminals) {
    it(`knows ${major}:${minor} as the terminal ${name}`, () => {
      assertEquals([terminalName({ major, minor }), isTerminal({ major, minor })], [name, true]);
    });
  }

  const others: [number, number, string][] = [
    [0, 0, "no device"],
    [1, 3, "/dev/null"],
    [5, 2, "/dev/ptmx"],
    [5, 3, "ttyprintk"],
    [2, 0, "a BSD pty master"],
    [128, 0, "a Unix98 pty master"],
    [135, 0, "the major before the slaves"],
    [144, 0, "the major after the slaves"],
    [10, 229, "/dev/fuse"],
    [8, 4, "a disk"],
  ];
  for (const [major, minor, what] of others) {
    it(`takes ${major}:${minor}, ${what}, for no terminal`, () => {
      assertEquals(isTerminal({ major, minor }), false);
    });
  }

  it("distinguishes /dev/tty from /dev/ptmx", () => {
    const tty = { major: 5, minor: 0 };
    const ptmx = { major: 5, minor: 2 };
    assertEquals([isDevTty(tty), isDevTty(ptmx), isPtmx(tty), isPtmx(ptmx)], [
      true,
      false,
      false,
      true,
    ]);
  });
});
