import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { killsAtLogout, parseLogoutPolicy, readLogoutPolicy } from "../../src/proc/logind.ts";

const DEBIAN = "[Login]\n#NAutoVTs=6\n#KillUserProcesses=no\n#KillOnlyUsers=\n";
const UPSTREAM = DEBIAN.replace("=no", "=yes");

describe("parseLogoutPolicy", () => {
  const policy = (...texts: string[]) => parseLogoutPolicy(texts);

  it("takes defaults from the comments of the shipped file", () => {
    assertEquals(policy(DEBIAN), {
      killUserProcesses: false,
      killOnlyUsers: [],
      killExcludeUsers: ["root"],
    });
    assertEquals(policy(UPSTREAM).killUserProcesses, true);
    assertEquals(policy("").killUserProcesses, undefined);
  });

  it("prefers a setting to a comment, and a later file to an earlier one", () => {
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

  it("adds to lists, and starts over at an empty value", () => {
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
  it("spares the excluded users", () => {
    assertEquals(
      ["root", "bob", "alice", undefined].map((user) => killsAtLogout(policy, user)),
      [false, false, true, true],
    );
  });
  it("kills only the processes of listed users, when a list is set", () => {
    const only = { ...policy, killUserProcesses: false, killOnlyUsers: ["alice", "bob"] };
    assertEquals(
      ["alice", "bob", "carol", undefined].map((user) => killsAtLogout(only, user)),
      [true, false, false, undefined],
    );
  });
  it("is unknown when nothing is set", () => {
    assertEquals(killsAtLogout({ ...policy, killUserProcesses: undefined }, "alice"), undefined);
  });
});

describe("readLogoutPolicy", () => {
  it("reads this system's policy, also when it has none", () => {
    assertEquals(Object.keys(readLogoutPolicy()).sort(), [
      "killExcludeUsers",
      "killOnlyUsers",
      "killUserProcesses",
    ]);
  });
});
