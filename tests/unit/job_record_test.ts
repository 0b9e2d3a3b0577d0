import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  formatRecord,
  type JobRecord,
  MAX_RECORD_SIZE,
  parseRecord,
} from "../../src/reptyr/record/job_record.ts";

const SHELL = { pid: 100, startTime: 17n };

const SHIELD = {
  process: { pid: 4242, startTime: 9_007_199_254_740_993n },
  shell: SHELL,
  action: "00ff".repeat(16),
  image: "0123456789abcdef",
};

const RECORD: JobRecord = {
  target: { pid: 4242, startTime: 9_007_199_254_740_993n },
  shell: SHELL,
  groups: [{ session: 100, pgrp: 201 }],
  members: [{ pid: 4243, startTime: 18n }],
  bystanders: [{ pid: 812, startTime: 3n }],
  shields: [SHIELD],
};

describe("a job record", () => {
  it("is read as it was written", () => {
    assertEquals(parseRecord(formatRecord(RECORD)), RECORD);
    const begun = { target: { pid: 1, startTime: 0n }, shields: [] };
    assertEquals(parseRecord(formatRecord(begun)), begun);
    const of32Bits = { ...RECORD, shields: [{ ...SHIELD, action: "00".repeat(20) }] };
    assertEquals(parseRecord(formatRecord(of32Bits)), of32Bits);
  });

  it("leaves out entries that do not fit into a record", () => {
    const longest = { pid: 1 << 22, startTime: 99_999_999_999_999_999_999n };
    const [names, groups] = [longest, { session: longest.pid, pgrp: longest.pid }]
      .map((one) => Array.from({ length: 1000 }, () => one));
    const shields = Array.from(
      { length: 1000 },
      () => ({ ...SHIELD, process: longest, shell: longest }),
    );
    const many = { ...RECORD, shields, members: names, bystanders: names, groups };
    const text = formatRecord(many as JobRecord);
    const read = parseRecord(text);
    const lengths = [read?.shields, read?.groups, read?.members, read?.bystanders];
    assertEquals(lengths.map((list) => list?.length), [256, 64, 256, 64]);
    assertEquals(text.length <= MAX_RECORD_SIZE, true);
  });

  const changes: readonly (readonly [string, Record<string, unknown>])[] = [
    ["a start time for its target", { target: 4242 }],
    ["a target", { target: { pid: 0, startTime: "1" } }],
    ["a list of shields", { shields: {} }],
    ["groups with whole numbers", { groups: [{ session: 1.5, pgrp: 2 }] }],
    ["groups with numbers", { groups: [{ session: "1", pgrp: 2 }] }],
    ["groups, and not group 0", { groups: [{ session: 1, pgrp: 0 }] }],
    ["groups, and no negative number", { groups: [{ session: 1, pgrp: -1 }] }],
    ["numbers that a process may have", { groups: [{ session: 1e308, pgrp: 1 }] }],
    ["PIDs below the kernel's limit", { groups: [{ session: 1, pgrp: 1 << 23 }] }],
    ["not many groups", { groups: Array.from({ length: 65 }, () => ({ session: 1, pgrp: 2 })) }],
    ["identities of its members", { members: [4243] }],
    ["not many members", { members: Array.from({ length: 257 }, () => written(SHIELD)) }],
    ["identities of the bystanders", { bystanders: [{ pid: 812 }] }],
    ["not many shields", { shields: Array.from({ length: 257 }, () => written(SHIELD)) }],
    ["bytes for an action", { shields: [written({ ...SHIELD, action: "zz".repeat(32) })] }],
    ["a whole action", { shields: [written({ ...SHIELD, action: "00" })] }],
    ["an image", { shields: [written({ ...SHIELD, image: "" })] }],
    ["a decimal start time", { shell: { pid: 1, startTime: "-1" } }],
    ["a start time as it is written", { shell: { pid: 1, startTime: "007" } }],
    ["a short start time", { shell: { pid: 1, startTime: "1".repeat(21) } }],
    ["a shell", { shell: null }],
    ["nothing else", { more: 1 }],
    ["nothing else in it", { shell: { pid: 1, startTime: "1", more: 1 } }],
  ];
  for (const [what, change] of changes) {
    it(`has ${what}, or is none`, () => {
      const text = JSON.stringify({ ...JSON.parse(formatRecord(RECORD)), ...change });
      assertEquals(parseRecord(text), undefined);
    });
  }

  const text = formatRecord(RECORD);
  const others: readonly (readonly [string, string])[] = [
    ["white space", `${text}\n`],
    ["a second field of one name", text.replace("{", '{"target":1,')],
    ["an escaped letter", text.replace("shields", "\\u0073hields")],
    ["another order", JSON.stringify({ shields: [], target: { pid: 1, startTime: "1" } })],
    ["an exponent", text.replace('"session":100', '"session":1e2')],
    ["a list", "[]"],
    ["null", "null"],
    ["deep lists", "[".repeat(60_000)],
    ["deep lists that end", "[".repeat(30_000) + "]".repeat(30_000)],
    ["deep objects", '{"target":'.repeat(6_000)],
    ["too much", `${text}${" ".repeat(MAX_RECORD_SIZE)}`],
    ["nothing", ""],
  ];
  for (const [what, other] of others) {
    it(`is not ${what}`, () => assertEquals(parseRecord(other), undefined));
  }

  it("is none where a part of it is missing", () => {
    for (let length = 0; length < text.length; length++) {
      assertEquals(parseRecord(text.slice(0, length)), undefined);
    }
  });
});

/** A shield as JSON has it. */
function written(shield: typeof SHIELD): unknown {
  return JSON.parse(formatRecord({ ...RECORD, shields: [shield] })).shields[0];
}
