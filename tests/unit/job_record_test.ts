import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { formatRecord, type JobRecord, parseRecord } from "../../src/reptyr/job_record.ts";

const RECORD: JobRecord = {
  target: 4242,
  shell: { pid: 100, startTime: 17n },
  groups: [{ session: 100, pgrp: 201 }],
  shields: [{
    process: { pid: 4242, startTime: 9_007_199_254_740_993n },
    shell: { pid: 100, startTime: 17n },
    action: "00ff",
    image: "",
  }],
};

describe("a job record", () => {
  it("is read as it was written", () => {
    assertEquals(parseRecord(formatRecord(RECORD)), RECORD);
    const begun = { target: 1, shields: [] };
    assertEquals(parseRecord(formatRecord(begun)), begun);
  });

  for (
    const [what, change] of [
      ["a number for its target", { target: "4242" }],
      ["a list of shields", { shields: {} }],
      ["groups with numbers", { groups: [{ session: 1.5, pgrp: 2 }] }],
      ["bytes for an action", { shields: [{ ...RECORD.shields[0], action: "0" }] }],
      ["a decimal start time", {
        shields: [{ ...RECORD.shields[0], shell: { pid: 1, startTime: "-1" } }],
      }],
      ["a shell", { shields: [{ ...RECORD.shields[0], shell: null }] }],
    ] as const
  ) {
    it(`has ${what}, or is none`, () => {
      const text = formatRecord({ ...RECORD, ...change } as unknown as JobRecord);
      assertEquals(parseRecord(text), undefined);
    });
  }

  it("is none while it is being written", () => {
    const text = formatRecord(RECORD);
    for (let length = 0; length < text.length; length++) {
      assertEquals(parseRecord(text.slice(0, length)), undefined);
    }
  });
});
