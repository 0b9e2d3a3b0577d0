import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { killsAtLogout, parseLogoutPolicy, readLogoutPolicy } from "../../src/proc/logind.ts";

const DEBIAN = "[Login]\n#NAutoVTs=6\n#KillUserProcesses=no\n#KillOnlyUsers=\n";
const UPSTREAM = DEBIAN.replace("=no", "=yes");

describe("parseLogoutPolicy", () => {
  const policy = (...texts: string[]) => parseLogoutPolicy(texts);

  it("takes the defaults that the shipped file notes in comments", () => {
    assertEquals(policy(DEBIAN), {
      killUserProcesses: false,
      killOnlyUsers: [],
      killExcludeUsers: ["root"],
    });
    assertEquals(policy(UPSTREAM).killUserProcesses, true);
    assertEquals(policy("").killUserProcesses, undefined);
  });

  it("prefers a setting to a comment, and a later file to an earlier", () => {
    assertEquals(policy(DEBIAN, "[Login]\nKillUserProcesses = yes \n").killUserProcesses, true);
    assertEquals(
      policy("KillUserProcesses=on\n#KillUserProcesses=no\n", "KillUserProcesses=0\n", DEBIAN)
        .killUserProcesses,
      false,
    );
  });

  it("ignores a value that is neither yes nor no", () => {
    assertEquals(policy(UPSTREAM, "KillUserProcesses=perhaps\n").killUserProcesses, true);
  });

  it("adds to lists, and begins anew at an empty one", () => {
    assertEquals(policy("KillExcludeUsers=a b\n", "KillExcludeUsers=c\n").killExcludeUsers, [
      "root",
      "a",
      "b",
      "c",
    ]);
    assertEquals(policy("KillExcludeUsers=\nKillOnlyUsers=d\n"), {
      killUserProcesses: undefined,
      killOnlyUsers: ["d"],
      killExcludeUsers: [],
    });
  });
});

describe("killsAtLogout", () => {
  const policy = { killUserProcesses: true, killOnlyUsers: [], killExcludeUsers: ["root", "bob"] };
  it("spares those excluded", () => {
    assertEquals(
      ["root", "bob", "alice", undefined].map((user) => killsAtLogout(policy, user)),
      [false, false, true, true],
    );
  });
  it("kills nobody but those listed, where some are; whatever else is set", () => {
    const only = { ...policy, killUserProcesses: false, killOnlyUsers: ["alice", "bob"] };
    assertEquals(
      ["alice", "bob", "carol", undefined].map((user) => killsAtLogout(only, user)),
      [true, false, false, undefined],
    );
  });
  it("does not know what is set nowhere", () => {
    assertEquals(killsAtLogout({ ...policy, killUserProcesses: undefined }, "alice"), undefined);
  });
});

describe("readLogoutPolicy", () => {
  it("reads this system's, be there one or not", () => {
    assertEquals(Object.keys(readLogoutPolicy()).sort(), [
      "killExcludeUsers",
      "killOnlyUsers",
      "killUserProcesses",
    ]);
  });
});
