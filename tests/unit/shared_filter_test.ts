import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  filterRefusal,
  type KinshipFacts,
  kinshipOf,
} from "../../src/reptyr/inspect/filter/shared_filter.ts";
import { rehearsalProgram } from "../../src/reptyr/inspect/filter/rehearsal_program.ts";
import { type WarningFacts, warnings } from "../../src/reptyr/inspect/warnings.ts";

const CONTAINER = ["mnt:[1]", "pid:[2]", "user:[3]"];

const FACTS: KinshipFacts = {
  filters: 1,
  ownFilters: 1,
  namespaces: CONTAINER,
  ownNamespaces: CONTAINER,
  commonAncestors: [],
  isSameMachine: true,
};

describe("kinshipOf", () => {
  const cases: [string, Partial<KinshipFacts>, ReturnType<typeof kinshipOf>][] = [
    ["as many filters in one container", {}, "assumed"],
    ["an ancestor of both with as many", { commonAncestors: [0, 1] }, "certain"],
    ["an ancestor is enough without namespaces", {
      commonAncestors: [1],
      namespaces: undefined,
    }, "certain"],
    ["more filters", { filters: 2 }, undefined],
    ["no filter of ours", { ownFilters: 0 }, undefined],
    ["none at all", { filters: 0, ownFilters: 0 }, undefined],
    ["a kernel that does not tell", { filters: undefined, ownFilters: undefined }, undefined],
    ["another container", { namespaces: ["mnt:[9]", "pid:[2]", "user:[3]"] }, undefined],
    ["namespaces that cannot be read", { namespaces: undefined }, undefined],
    ["no container", {
      namespaces: ["mnt:[1]", "pid:[4026531836]", "user:[3]"],
      ownNamespaces: ["mnt:[1]", "pid:[4026531836]", "user:[3]"],
    }, undefined],
    ["another machine code", { isSameMachine: false, commonAncestors: [1] }, undefined],
  ];
  for (const [name, facts, expected] of cases) {
    it(`${expected ?? "nothing"}: ${name}`, () => {
      assertEquals(kinshipOf({ ...FACTS, ...facts }), expected);
    });
  }
});

describe("filterRefusal", () => {
  const subject = "Cannot move process 7 (vim)";

  it("is none when the child of the rehearsal survives", () => {
    assertEquals(filterRefusal(subject, { outcome: "lives" }), undefined);
  });

  it("names a call that ends the process, and a call that is forbidden", () => {
    assertEquals(
      filterRefusal(subject, { outcome: "killed", call: "setsid" })?.message,
      `${subject}: the seccomp filter that it and this reptyr are under ends a process for setsid(2), ` +
        "tried with a child of reptyr",
    );
    const refused = filterRefusal(subject, {
      outcome: "refused",
      call: "pidfd_getfd",
      code: "EPERM",
    });
    assertEquals(
      refused?.message,
      `${subject}: the seccomp filter that it and this reptyr are under forbids pidfd_getfd(2) (EPERM)`,
    );
    assertEquals(
      refused?.remedies[0],
      "Docker allows it with: docker run --cap-add=SYS_PTRACE",
    );
  });
});

describe("the warning of a shared filter", () => {
  const facts: WarningFacts = {
    pid: 7,
    uid: 0,
    selfUid: 0,
    job: [7],
    bereft: [],
    shells: [],
    inGroup: [],
    left: [],
    seccomp: 2,
    session: undefined,
    selfSession: undefined,
    killed: undefined,
  };

  it("says what is assumed, and nothing when the filter is certain", () => {
    assertEquals(warnings({ ...facts, sharedFilter: "assumed" }), [
      "Process 7 is taken to be under the same seccomp filters as this reptyr, being in the same container " +
      "and under as many: a child of reptyr could make all calls of the move under these",
    ]);
    assertEquals(warnings({ ...facts, sharedFilter: "certain" }), []);
    assertEquals(warnings(facts).length, 1);
  });
});

describe("rehearsalProgram", () => {
  for (const machine of ["x86_64", "aarch64"] as const) {
    it(`is an executable of one page: ${machine}`, () => {
      const file = rehearsalProgram(machine);
      assertEquals([...file.subarray(0, 6)], [0x7f, 0x45, 0x4c, 0x46, 2, 1]);
      const view = new DataView(file.buffer);
      const entry = view.getBigUint64(24, true);
      const [address, size] = [view.getBigUint64(80, true), view.getBigUint64(96, true)];
      assertEquals(entry > address && entry < address + size, true);
      assertEquals(size, BigInt(file.length));
    });
  }
});
