import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { lackOfRoom, type OwnRoom } from "../../src/proc/own_room.ts";

const GIB = 1n << 30n;

function memory(limit: bigint): OwnRoom["memory"] {
  return [{ name: "RLIMIT_DATA", option: "-d", limit, used: GIB }];
}

describe("lackOfRoom", () => {
  it("is undefined when there is enough room", () => {
    assertEquals(lackOfRoom({ files: 64n, memory: memory(2n * GIB) }), undefined);
    assertEquals(lackOfRoom({ files: 216n, memory: [] }, 216), undefined);
  });

  it("names the number of open files that is needed", () => {
    const lack = lackOfRoom({ files: 100n, memory: [] }, 216);
    assertEquals(lack?.message, "RLIMIT_NOFILE of this program is 100: it needs 216 open files");
    assertEquals(lack?.remedies, ["Raise it where this program is started: ulimit -n 216"]);
  });

  it("names the memory in use and the memory needed besides", () => {
    const lack = lackOfRoom({ files: 64n, memory: memory(GIB + 1000n) });
    assertEquals(
      lack?.message,
      "RLIMIT_DATA of this program is 1073742824 bytes: it has 1073741824 of them, and needs 67108864 more",
    );
    assertEquals(lack?.remedies, ["Raise it where this program is started: ulimit -d unlimited"]);
  });
});
