import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { parseStatus, readStatus, statusLines } from "../../src/proc/status.ts";

const TEXT = [
  "Name:\tevil\\nUid:\\t0",
  "Umask:\t0022",
  "State:\tS (sleeping)",
  "Tgid:\t4242",
  "Ngid:\t0",
  "Pid:\t4243",
  "PPid:\t1",
  "TracerPid:\t77",
  "Uid:\t1000\t1001\t1002\t1003",
  "Gid:\t100\t101\t102\t4294967295",
  "FDSize:\t256",
  "Groups:\t ",
  "NStgid:\t4242\t7",
  "NSpid:\t4243\t8",
  "NSpgid:\t4242\t7",
  "Threads:\t2",
  "SigPnd:\t0000000000000001",
  "ShdPnd:\t8000000000000000",
  "SigBlk:\tfffffffe7ffbfeff",
  "SigIgn:\t0000000000001000",
  "SigCgt:\t0000000180004a02",
  "CapInh:\t0000000000000000",
  "CapPrm:\t000001ffffffffff",
  "CapEff:\t0000000000080000",
  "Seccomp:\t2",
  "Seccomp_filters:\t1",
  "",
].join("\n");

describe("parseStatus", () => {
  it("reads every line of its type, 64-bit sets exactly", () => {
    assertEquals(parseStatus(TEXT), {
      tgid: 4242,
      uids: [1000, 1001, 1002, 1003],
      gids: [100, 101, 102, 4294967295],
      tracerPid: 77,
      seccomp: 2,
      seccompFilters: 1,
      capPermitted: 0x1ffffffffffn,
      capEffective: 1n << 19n,
      sigPending: 1n,
      sharedPending: 1n << 63n,
      sigBlocked: 0xfffffffe7ffbfeffn,
      sigIgnored: 0x1000n,
      sigCaught: 0x180004a02n,
      nsPid: [4243, 8],
      nsPgid: [4242, 7],
    });
  });

  it("accepts a text without the lines that only some kernels write", () => {
    const status = parseStatus(TEXT.replace(/^(Seccomp|NS).*\n/gm, ""));
    assertEquals([status.seccomp, status.nsPid], [0, []]);
  });

  for (const name of ["Tgid", "Uid", "TracerPid", "CapEff", "SigBlk"]) {
    it(`refuses a text without ${name}`, () => {
      const text = TEXT.replace(new RegExp(`^${name}:.*\n`, "m"), "");
      assertThrows(() => parseStatus(text), SyntaxError, name);
    });
  }

  it("is not misled by a process name with a carriage return", () => {
    const forged = TEXT.replace(/^Name:.*$/m, "Name:\t\rUid:\t0 0 0 0");
    assertEquals(parseStatus(forged), parseStatus(TEXT));
    assertEquals(statusLines("Name:\t\rA:\t1\nA:\t2\n").get("A"), "2");
  });

  it("refuses a short Uid line", () => {
    assertThrows(() => parseStatus(TEXT.replace("\t1003", "")), SyntaxError, "too short");
  });
});

describe("readStatus", () => {
  it("reads this process", () => {
    const status = readStatus(Deno.pid);
    assertEquals(status?.tgid, Deno.pid);
    assertEquals(status?.uids[1], Deno.uid());
  });
  it("says undefined for a process that is gone", () => {
    assertEquals(readStatus(4194305), undefined);
  });
});
