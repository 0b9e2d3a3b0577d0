import { assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { borrowedPrivileges } from "../../src/proc/privileges.ts";

interface Facts {
  readonly uids?: readonly number[];
  readonly gids?: readonly number[];
  readonly permitted?: string;
  readonly inheritable?: string;
  readonly ambient?: string;
}

function statusOf(
  { uids = [7, 7, 7, 7], gids = [7, 7, 7, 7], permitted = "0", inheritable = "0", ambient = "0" }:
    Facts,
  name = "reptyr",
): string {
  const set = (digits: string) => digits.padStart(16, "0");
  return [
    `Name:\t${name}`,
    `Uid:\t${uids.join("\t")}`,
    `Gid:\t${gids.join("\t")}`,
    `CapInh:\t${set(inheritable)}`,
    `CapPrm:\t${set(permitted)}`,
    `CapAmb:\t${set(ambient)}`,
    "",
  ].join("\n");
}

describe("privileges of this program", () => {
  const own: Record<string, Facts> = {
    "of a user without any": {},
    "of root": { uids: [0, 0, 0, 0], gids: [0, 0, 0, 0], permitted: "1ffffffffff" },
    "that are ambient": { permitted: "80000", ambient: "80000", inheritable: "80000" },
    "that the user inherits for such files": { permitted: "80000", inheritable: "80000" },
    "that are inherited and not used": { inheritable: "80000" },
  };
  for (const [what, facts] of Object.entries(own)) {
    it(`${what} are the user's own`, () =>
      assertEquals(borrowedPrivileges(statusOf(facts)), undefined));
  }

  const borrowed: Record<string, [Facts, RegExp]> = {
    "set-user-ID": [{ uids: [7, 0, 0, 0] }, /set-user-ID \(real user id 7, effective 0\)/],
    "set-user-ID of another user": [{ uids: [0, 7, 7, 7] }, /set-user-ID/],
    "set-group-ID": [{ gids: [7, 5, 5, 5] }, /set-group-ID \(real group id 7, effective 5\)/],
    "capabilities of the file": [{ permitted: "80000" }, /capabilities \(0x80000\)/],
    "one of the file beside one that is ambient": [
      { permitted: "80020", ambient: "20" },
      /capabilities \(0x80000\)/,
    ],
  };
  for (const [what, [facts, why]] of Object.entries(borrowed)) {
    it(`by ${what} are refused`, () => assertMatch(borrowedPrivileges(statusOf(facts)) ?? "", why));
  }

  it("do not depend on the name that the user has given it", () => {
    const status = statusOf({ uids: [7, 0, 0, 0] }, "\rUid:\t0 0 0 0");
    assertMatch(borrowedPrivileges(status) ?? "", /set-user-ID/);
  });

  it("are the user's own when /proc does not tell", () => {
    assertEquals(borrowedPrivileges(""), undefined);
  });
});
