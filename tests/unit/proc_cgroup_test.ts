import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { loginSession, readLoginSession } from "../../src/proc/cgroup.ts";

describe("loginSession", () => {
  const table: [string, string, unknown][] = [
    ["cgroup v2", "0::/user.slice/user-1000.slice/session-3.scope\n", {
      scope: "session-3.scope",
      uid: 1000,
    }],
    ["a cgroup below the scope", "0::/user.slice/user-0.slice/session-c12.scope/a/b\n", {
      scope: "session-c12.scope",
      uid: 0,
    }],
    [
      "cgroup v1 alone",
      "9:pids:/user.slice\n1:name=systemd:/user.slice/user-7.slice/session-42.scope\n0::/\n",
      { scope: "session-42.scope", uid: 7 },
    ],
    ["a scope elsewhere", "0::/../session-1.scope\n", {
      scope: "session-1.scope",
      uid: undefined,
    }],
    [
      "a unit of the user's manager",
      "0::/user.slice/user-1.slice/user@1.service/a.scope\n",
      undefined,
    ],
    ["a scope that is called alike", "0::/my-session-3.scope/session-3.scope.d\n", undefined],
    ["another hierarchy of v1", "4:memory:/user-1.slice/session-3.scope\n", undefined],
    ["no systemd", "0::/\n", undefined],
    ["nothing", "", undefined],
  ];
  for (const [what, text, expected] of table) {
    it(`reads ${what}`, () => assertEquals(loginSession(text), expected));
  }
});

describe("readLoginSession", () => {
  it("reads the file of a process, and finds no session for a process that is gone", () => {
    const own = loginSession(Deno.readTextFileSync("/proc/self/cgroup"));
    assertEquals(readLoginSession(Deno.pid), own);
    assertEquals(readLoginSession(4194305), undefined);
  });
});
