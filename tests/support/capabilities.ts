/**
 * What the machine can do, as far as tests depend on it. A probe uses the thing itself: a header, a device file or
 * CI=true says nothing of whether the kernel lets it be used. What can be installed is no capability, see programs.ts.
 */
import { it } from "@std/testing/bdd";
import { whyNoFreezer } from "./frozen.ts";
import { whyNoBpf } from "./probes/bpf.ts";
import { whyNoArm32, whyNoIa32 } from "./probes/executables.ts";
import {
  whyNoCgroups,
  whyNoConsole,
  whyNoIoUring,
  whyNoKernelThreads,
  whyNoMemfd,
  whyNoSme,
  whyNoSve,
  whyNoSysResource,
} from "./probes/kernel.ts";
import { whyNoKvm } from "./probes/kvm.ts";
import * as namespaces from "./probes/namespaces.ts";
import {
  whyNoAttach,
  whyNoPtrace,
  whyNoPtys,
  whyNoSeccomp,
  whyNoSeccompSuspend,
  whyNoYama,
} from "./probes/tracing.ts";
import { compiles32, isX86_64, requiresCompiler, requiresThat } from "./programs.ts";

/** Tries something; one clause that says why it cannot be done, undefined where it can. */
export type Probe = () => string | undefined;

/** Each capability with what it means, for people, and its probe. */
const CAPABILITIES = {
  ptys: ["pseudoterminals", whyNoPtys],
  ptrace: ["PTRACE_SEIZE of a child", whyNoPtrace],
  ia32: ["32-bit x86 programs", whyNoIa32],
  arm32: ["32-bit arm programs", whyNoArm32],
  bpf: ["eBPF programs at raw tracepoints, with the kernel's types", whyNoBpf],
  users: ["processes of user nobody", () => namespaces.whyNoUsers()],
  attach: ["an ordinary user may trace processes of its own", whyNoAttach],
  yama: ["Yama keeps an ordinary user from that", whyNoYama],
  seccomp: ["seccomp filters", whyNoSeccomp],
  seccomp_suspend: ["PTRACE_O_SUSPEND_SECCOMP", whyNoSeccompSuspend],
  sys_resource: ["hard limits of others can be raised", whyNoSysResource],
  userns: ["user namespaces of an ordinary user", () => namespaces.whyNoUserNamespaces()],
  mountns: ["mount namespaces, and mounts in them", () => namespaces.whyNoMounts()],
  devpts: ["a devpts of one's own", () => namespaces.whyNoDevpts()],
  pidns: ["PID namespaces with a /proc of their own", () => namespaces.whyNoPidNamespaces()],
  chosen_pids: ["PID namespaces whose next number is chosen", () => namespaces.whyNoChosenPids()],
  fuse: ["file systems that a program serves, FUSE", () => namespaces.whyNoFuse()],
  netns: ["network namespaces", () => namespaces.whyNoNetworkNamespaces()],
  utsns: ["UTS namespaces", () => namespaces.whyNoUtsNamespaces()],
  ipcns: ["IPC namespaces", () => namespaces.whyNoIpcNamespaces()],
  chroot: ["chroot(2)", () => namespaces.whyNoChroot()],
  cgroups: ["cgroups of one's own in systemd's hierarchy", whyNoCgroups],
  freezer_v1: ["cgroups of version 1 that can be frozen", () => whyNoFreezer(1)],
  freezer_v2: ["cgroups of version 2 that can be frozen", () => whyNoFreezer(2)],
  io_uring: ["io_uring", whyNoIoUring],
  memfd: ["files of memory, as reptyr publishes its record in", whyNoMemfd],
  console: ["a virtual console", whyNoConsole],
  kthreads: ["kernel threads in /proc", whyNoKernelThreads],
  sve: ["SVE vectors", whyNoSve],
  sme: ["SME streaming mode", whyNoSme],
  kvm: ["virtual machines that run 64-bit code", () => whyNoKvm()],
} satisfies Readonly<Record<string, readonly [meaning: string, probe: Probe]>>;

export type Capability = keyof typeof CAPABILITIES;

/** Without these no test of reptyr shows anything: the gate fails there, and says why. */
export const NEEDED: readonly Capability[] = ["ptys", "ptrace"];

/** Names capabilities, with commas, whose probes are to answer no. */
const WITHOUT = "REPTYR_TEST_WITHOUT";

/** The names in `text`. Throws Error for one that is not among `known`. */
export function parseWithout<N extends string>(
  text: string,
  known: readonly N[],
): ReadonlySet<N> {
  const names = text.split(",").map((name) => name.trim()).filter((name) => name !== "");
  for (const name of names) {
    if (!(known as readonly string[]).includes(name)) {
      throw new Error(`${WITHOUT}: there is no capability '${name}'; known: ${known.join(", ")}`);
    }
  }
  return new Set(names as N[]);
}

/** Answers of probes: each is asked at most once, when its answer is first wanted. */
export class Machine<N extends string> {
  readonly #answers = new Map<N, string | undefined>();

  constructor(
    readonly probes: Readonly<Record<N, Probe>>,
    /** Never asked: the answer is no. */
    readonly without: ReadonlySet<NoInfer<N>> = new Set(),
  ) {}

  /** Why this machine lacks `name`, in one line; undefined where it does not. */
  lacks(name: N): string | undefined {
    if (!this.#answers.has(name)) this.#answers.set(name, this.#ask(name));
    return this.#answers.get(name);
  }

  #ask(name: N): string | undefined {
    if (this.without.has(name)) return `no ${name}: ${WITHOUT} says so`;
    const why = this.probes[name]();
    return why === undefined ? undefined : `no ${name}: ${why.trim().replace(/\s*\n\s*/g, "; ")}`;
  }
}

const NAMES = Object.keys(CAPABILITIES) as Capability[];

const machine = new Machine(
  Object.fromEntries(
    NAMES.map((name) => [name, CAPABILITIES[name][1]]),
  ) as Record<Capability, Probe>,
  parseWithout(Deno.env.get(WITHOUT) ?? "", NAMES),
);

/** Why this machine lacks one of `names`, in one line; undefined where it has all. */
export function lacks(...names: readonly Capability[]): string | undefined {
  for (const name of names) {
    const why = machine.lacks(name);
    if (why !== undefined) return why;
  }
  return undefined;
}

/** `test` where this machine has all of `names`; else one that skips its test and says why. */
export function requiresCapability(
  names: Capability | readonly Capability[],
  test: typeof it | typeof it.skip = it,
): typeof it | typeof it.skip {
  const why = lacks(...typeof names === "string" ? [names] : names);
  return why === undefined ? test : requiresThat(false, why);
}

/** `it` where 32-bit programs of C run, and can be compiled. */
export function requires32(): typeof it | typeof it.skip {
  if (!isX86_64) return requiresThat(false, "32-bit programs are tested on x86_64 only");
  const why = lacks("ia32");
  if (why !== undefined) return requiresThat(false, why);
  return requiresCompiler === it ? compiles32() : requiresCompiler;
}

/** All that this machine lacks, for people: a line each, with what is not shown here. */
export function describeLacks(): string[] {
  return NAMES.flatMap((name) => {
    const why = lacks(name);
    return why === undefined ? [] : [`${why} (${CAPABILITIES[name][0]})`];
  });
}

/** The variable for tests elsewhere, in an emulated machine, that are to be as these. */
export function withoutHere(): Record<string, string> {
  const text = Deno.env.get(WITHOUT);
  return text === undefined ? {} : { [WITHOUT]: text };
}
