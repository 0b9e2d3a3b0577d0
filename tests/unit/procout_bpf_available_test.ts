import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Surroundings, whatIsMissing } from "../../src/procout/bpf/available.ts";

const ROOT: Surroundings = {
  release: "6.1.0-18-amd64",
  capabilities: (1n << 41n) - 1n,
  lockdown: "[none] integrity confidentiality\n",
  hasTypes: true,
  isFirstUserNamespace: true,
};
const CAP_SYS_ADMIN = 1n << 21n;
const CAP_PERFMON = 1n << 38n;
const CAP_BPF = 1n << 39n;

describe("whatIsMissing", () => {
  const enough: readonly [name: string, facts: Partial<Surroundings>][] = [
    ["root", {}],
    ["CAP_BPF and CAP_PERFMON", { capabilities: CAP_BPF | CAP_PERFMON }],
    ["CAP_SYS_ADMIN", { capabilities: CAP_SYS_ADMIN }],
    ["Linux 5.10", { release: "5.10" }],
    ["a lockdown for integrity", { lockdown: "none [integrity] confidentiality" }],
    ["an unknown lockdown", { lockdown: undefined }],
  ];
  for (const [name, facts] of enough) {
    it(`nothing with ${name}`, () => assertEquals(whatIsMissing({ ...ROOT, ...facts }), undefined));
  }

  const lacking: readonly [why: RegExp, facts: Partial<Surroundings>][] = [
    [/^Linux 5\.10 or newer is needed, this is 5\.9\.16-generic$/, { release: "5.9.16-generic" }],
    [/^Linux 5\.10 or newer is needed/, { release: "4.19.0" }],
    [/^CAP_BPF and CAP_PERFMON are missing$/, { capabilities: 0n }],
    [/^CAP_PERFMON is missing$/, { capabilities: CAP_BPF }],
    [/^CAP_BPF is missing$/, { capabilities: CAP_PERFMON }],
    [/^CAP_BPF and CAP_PERFMON are missing$/, { capabilities: undefined }],
    [/^the kernel is locked down/, { lockdown: "none integrity [confidentiality]" }],
    [/no \/sys\/kernel\/btf\/vmlinux/, { hasTypes: false }],
    [/^a user namespace/, { isFirstUserNamespace: false }],
  ];
  for (const [why, facts] of lacking) {
    it(`${why.source} for ${Object.keys(facts)}`, () => {
      const error = whatIsMissing({ ...ROOT, ...facts });
      assert(why.test(error?.why ?? ""), error?.why);
      assertEquals(error?.message, `Cannot use the engine bpf: ${error?.why}`);
      assertEquals(error?.remedies.at(-1), "Or use --engine=ptrace");
    });
  }
});
