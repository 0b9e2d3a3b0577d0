import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { isKernelThread, isLive, parseStat, readStat } from "../../src/proc/stat.ts";

/** A stat line of process 4242 with the given name and the tail after it changed as wanted. */
function statLine(comm: string, changes: Record<number, string> = {}): string {
  const tail =
    "S 4241 4240 4239 34819 4238 4194304 108 0 0 0 0 0 0 0 20 0 7 0 18446744073709551615 3055616 428 " +
    "18446744073709551615 94047211458560 94047211474345 140726061713984 0 0 0 0 0 0 1 0 0 17 1 0 0 0 0 " +
    "0 94047211490864 94047211492480 94047563563008 140726061717261 140726061717281 140726061717281 " +
    "140726061719531 10752";
  const fields = tail.split(" ");
  for (const [number, value] of Object.entries(changes)) fields[Number(number) - 3] = value;
  return `4242 (${comm}) ${fields.join(" ")}\n`;
}

describe("parseStat", () => {
  it("reads every field of its type", () => {
    assertEquals(parseStat(statLine("cat")), {
      pid: 4242,
      comm: "cat",
      state: "S",
      ppid: 4241,
      pgrp: 4240,
      session: 4239,
      ttyNr: 34819,
      tpgid: 4238,
      flags: 4194304,
      numThreads: 7,
      startTime: 18446744073709551615n,
      exitCode: 10752,
    });
  });

  for (
    const comm of [
      ")",
      "a) S 1 1 1",
      "(sd-pam)",
      "tmux: server",
      "two\nlines",
      "",
      "x) Z 0 0 0 0 (",
      "\ufffd\ufffd",
      "((((((((((((((((",
    ]
  ) {
    it(`takes the name ${JSON.stringify(comm)} whole`, () => {
      const stat = parseStat(statLine(comm));
      assertEquals([stat.comm, stat.state, stat.ppid], [comm, "S", 4241]);
    });
  }

  it("keeps negative numbers", () => {
    const stat = parseStat(statLine("x", { 7: "-2147448831", 8: "-1" }));
    assertEquals([stat.ttyNr, stat.tpgid], [-2147448831, -1]);
  });

  for (const text of ["", "4242", "4242 (cat", "4242 (cat) S 1 2", "(cat) S 1"]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assertThrows(() => parseStat(text), SyntaxError, "Not a /proc/PID/stat line");
    });
  }
});

describe("isLive", () => {
  const live = (state: string, threads: number) =>
    isLive(parseStat(statLine("x", { 3: state, 20: String(threads) })));

  it("distinguishes a zombie from a first thread that has exited before the others", () => {
    assertEquals([live("Z", 1), live("Z", 3), live("X", 1), live("S", 1), live("T", 1)], [
      false,
      true,
      false,
      true,
      true,
    ]);
  });
});

describe("isKernelThread", () => {
  it("looks at PF_KTHREAD alone", () => {
    const of = (flags: number) => isKernelThread(parseStat(statLine("x", { 9: String(flags) })));
    assertEquals([of(0x00208040), of(0x00400100), of(0xffdfffff)], [true, false, false]);
  });
});

describe("readStat", () => {
  it("reads this process and its threads, and returns undefined for a process that is gone", () => {
    assertEquals(readStat(Deno.pid)?.pid, Deno.pid);
    assertEquals(readStat(Deno.pid, Deno.pid)?.session, readStat(Deno.pid)?.session);
    assertEquals(readStat(4194305), undefined); // above PID_MAX_LIMIT
    assertEquals(readStat(Deno.pid, 4194305), undefined);
  });
});
