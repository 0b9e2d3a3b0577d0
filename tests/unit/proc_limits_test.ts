import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { parseOpenFilesLimit, readOpenFilesLimit } from "../../src/proc/limits.ts";

const HEAD = "Limit                     Soft Limit           Hard Limit           Units     \n" +
  "Max processes             7800                 7800                 processes \n";

describe("parseOpenFilesLimit", () => {
  it("takes the soft limit", () => {
    const line = "Max open files            1024                 1048576              files     \n";
    assertEquals(parseOpenFilesLimit(HEAD + line), 1024);
  });
  it("knows that there may be none", () => {
    const line = "Max open files            unlimited            unlimited            files     \n";
    assertEquals(parseOpenFilesLimit(HEAD + line), Infinity);
    assertEquals(parseOpenFilesLimit(HEAD), undefined);
  });
});

describe("readOpenFilesLimit", () => {
  it("reads that of a process, and none of one that is gone", () => {
    assert(readOpenFilesLimit(Deno.pid, Deno.pid)! > 0);
    assertEquals(readOpenFilesLimit(4_194_304, 4_194_304), undefined);
  });
});
