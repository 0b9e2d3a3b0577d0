import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { limitFor, parseOpenFilesLimit, readOpenFilesLimit } from "../../src/proc/limits.ts";

const HEAD = "Limit                     Soft Limit           Hard Limit           Units     \n" +
  "Max processes             7800                 7800                 processes \n";

describe("parseOpenFilesLimit", () => {
  it("takes the soft limit and the hard one", () => {
    const line = "Max open files            1024                 1048576              files     \n";
    assertEquals(parseOpenFilesLimit(HEAD + line), { soft: 1024, hard: 1048576 });
  });
  it("accepts an unlimited number", () => {
    const line = "Max open files            unlimited            unlimited            files     \n";
    assertEquals(parseOpenFilesLimit(HEAD + line), { soft: Infinity, hard: Infinity });
    assertEquals(parseOpenFilesLimit(HEAD), undefined);
  });
});

describe("readOpenFilesLimit", () => {
  it("reads the limit of a process, and returns undefined when the process is gone", () => {
    assert(readOpenFilesLimit(Deno.pid, Deno.pid)!.soft > 0);
    assertEquals(readOpenFilesLimit(4_194_304, 4_194_304), undefined);
  });
});

describe("limitFor", () => {
  const known = { first: 3, highest: -1 };

  it("is the old limit when there is room", () => {
    assertEquals(limitFor({ ...known, soft: 10, used: [0, 1, 2, 5], count: 6 }), 10);
  });
  it("is higher by the number of missing descriptors", () => {
    assertEquals(limitFor({ ...known, soft: 6, used: [0, 1, 2, 3, 4, 5], count: 4 }), 10);
    assertEquals(limitFor({ ...known, soft: 6, used: [0, 1, 2, 3, 4], count: 4 }), 9);
  });
  it("counts the descriptors below the first number as used", () => {
    assertEquals(limitFor({ ...known, soft: 4, used: [3], count: 1 }), 5);
    assertEquals(limitFor({ ...known, soft: 2, used: [], count: 1 }), 4);
  });
  it("ignores descriptors that are open above the limit", () => {
    assertEquals(limitFor({ ...known, soft: 4, used: [3, 4, 6], count: 2 }), 8);
  });
  it("leaves room for a terminal at its old number", () => {
    assertEquals(limitFor({ ...known, soft: 10, used: [50], count: 1, highest: 50 }), 51);
  });
});
