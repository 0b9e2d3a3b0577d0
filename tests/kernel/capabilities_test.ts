/** The probes of the machine: each tells what can be used from what only seems to be there. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { dirname, join } from "@std/path";
import { describe, it } from "@std/testing/bdd";
import {
  type Capability,
  lacks,
  Machine,
  parseWithout,
  requires32,
  requiresCapability,
} from "../support/capabilities.ts";
import { executable32, whyDoesNotRun } from "../support/probes/executables.ts";
import { whyNoKvm } from "../support/probes/kvm.ts";
import * as namespaces from "../support/probes/namespaces.ts";
import { FLAGS_32, isX86_64, requires, victim } from "../support/programs.ts";
import { AS_NOBODY } from "../support/users.ts";

const SUPPORT = join(dirname(import.meta.dirname!), "support");
const CONFIG = join(dirname(dirname(SUPPORT)), "deno.json");

/**
 * What the probes `names` answer in a process of its own, run by `prefix` with `env`; null where they say yes. None is
 * denied there that is denied here.
 */
function ask(
  names: readonly Capability[],
  { prefix = [], env = { REPTYR_TEST_WITHOUT: "" } }: {
    prefix?: readonly string[];
    env?: Record<string, string>;
  } = {},
): { answers: Record<string, string | null>; stderr: string } {
  const module = `file://${SUPPORT}/capabilities.ts`;
  const script = `import { lacks } from ${JSON.stringify(module)};
    const answers = ${JSON.stringify(names)}.map((name) => [name, lacks(name) ?? null]);
    console.log(JSON.stringify(Object.fromEntries(answers)));`;
  const [program, ...args] = [
    ...prefix,
    ...[Deno.execPath(), "eval", "--quiet", "--config", CONFIG, script],
  ];
  const { stdout, stderr } = new Deno.Command(program!, { args, env, stdin: "null" }).outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { answers: JSON.parse(text(stdout) || "{}"), stderr: text(stderr) };
}

describe("REPTYR_TEST_WITHOUT", () => {
  it("names capabilities with commas, and may be empty", () => {
    assertEquals([...parseWithout("", ["one", "two"])], []);
    assertEquals([...parseWithout(" two, one ,", ["one", "two"])], ["two", "one"]);
  });

  it("refuses an unknown name, and lists the capabilities", () => {
    assertThrows(
      () => parseWithout("one,thre", ["one", "two", "three"]),
      Error,
      "REPTYR_TEST_WITHOUT: there is no capability 'thre'; known: one, two, three",
    );
    const { stderr } = ask([], { env: { REPTYR_TEST_WITHOUT: "ia23" } });
    assertMatch(stderr, /no capability 'ia23'; known: .*\bia32, .*\bbpf\b/);
  });

  it("makes the probe of that name answer no, and no other probe", () => {
    const names = ["ptys", "ptrace", "ia32", "bpf"] as const;
    const { answers } = ask(names, { env: { REPTYR_TEST_WITHOUT: "ptrace,bpf" } });
    for (const name of names) {
      const isDenied = name === "ptrace" || name === "bpf";
      assertEquals(answers[name] === `no ${name}: REPTYR_TEST_WITHOUT says so`, isDenied, name);
    }
  });
});

describe("the probe of a capability", () => {
  it("runs once, and not before a test asks", () => {
    const asked: string[] = [];
    const answering = (name: string, why?: string) => () => {
      asked.push(name);
      return why;
    };
    const machine = new Machine({
      one: answering("one"),
      two: answering("two", "not here\n  at all\n"),
      three: answering("three"),
      four: answering("four"),
    }, new Set(["three"]));
    assertEquals(asked, []);
    for (let times = 0; times < 2; times++) {
      assertEquals(machine.lacks("one"), undefined);
      assertEquals(machine.lacks("two"), "no two: not here; at all");
      assertEquals(machine.lacks("three"), "no three: REPTYR_TEST_WITHOUT says so");
    }
    assertEquals(asked, ["one", "two"]);
  });
});

describe("the probe of 32-bit programs", () => {
  it("says no when execve(2) gives ENOEXEC for the program of an unknown processor", () => {
    const why = whyDoesNotRun(executable32(0xfeed, Uint8Array.of(0xcc)));
    assertEquals(why, "execve(2) failed: exec format error (ENOEXEC)");
  });

  it("says no when execve(2) gives ENOEXEC for a file that is no program, and has no shell run it", () => {
    const why = whyDoesNotRun(new TextEncoder().encode("exit 42\n"));
    assertEquals(why, "execve(2) failed: exec format error (ENOEXEC)");
  });

  requiresCapability("ia32")("says no when the program is executed and fails", () => {
    const why = whyDoesNotRun(executable32(3, Uint8Array.of(0x0f, 0x0b)));
    assertMatch(why ?? "", /^it is executed, and ends with .*"signaled"/);
  });

  requires32()("says yes when a program of the C compiler runs", () => {
    const { stdout } = new Deno.Command(victim("command", FLAGS_32), { stdin: "null" })
      .outputSync();
    assertMatch(new TextDecoder().decode(stdout), /^ready \d+/);
  });

  if (lacks("ia32") !== undefined && Deno.build.arch === "x86_64") {
    it("says no on this machine, in one line", () => {
      assertMatch(lacks("ia32")!, /^no ia32: (execve\(2\) failed: |REPTYR_TEST_WITHOUT)[^\n]+$/);
    });
  }
});

describe("a probe says no", () => {
  const byNobody = requiresCapability("users");
  const kinds = {
    users: namespaces.whyNoUsers,
    mountns: namespaces.whyNoMounts,
    devpts: namespaces.whyNoDevpts,
    pidns: namespaces.whyNoPidNamespaces,
    netns: namespaces.whyNoNetworkNamespaces,
    utsns: namespaces.whyNoUtsNamespaces,
    ipcns: namespaces.whyNoIpcNamespaces,
    chroot: namespaces.whyNoChroot,
  };
  for (const [name, whyNot] of Object.entries(kinds)) {
    byNobody(`to a user without privilege: ${name}`, () => {
      assertMatch(whyNot(AS_NOBODY) ?? "yes", /not permitted|ermission denied/);
    });
  }

  requiresCapability(["users", "userns"])("when no user namespace may be made", () => {
    const forbidding = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"';
    const prefix = [...AS_NOBODY, "unshare", "-Ur", "sh", "-c", forbidding, "sh"];
    assertMatch(namespaces.whyNoUserNamespaces(prefix) ?? "yes", /unshare failed: No space left/);
  });

  requiresCapability(["users", "bpf", "seccomp_suspend"])("to root without capabilities", () => {
    const prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
    const { answers } = ask(["ptrace", "bpf", "seccomp_suspend", "netns"], { prefix });
    assertEquals(answers.ptrace, null);
    for (const name of ["bpf", "seccomp_suspend", "netns"]) {
      assertMatch(answers[name] ?? "yes", /not permitted/, name);
    }
  });

  requiresCapability(["mountns"])("without /dev and /sys: ptys, console, kvm, cgroups", () => {
    const hiding = "mount -t tmpfs none /sys && mount -t tmpfs none /dev && " +
      'mknod /dev/null c 1 3 && exec "$@"';
    const prefix = ["unshare", "-m", "--propagation", "private", "sh", "-c", hiding, "sh"];
    const names = ["ptys", "console", "cgroups", ...isX86_64 ? ["kvm"] as const : []] as const;
    const { answers, stderr } = ask(names, { prefix });
    for (const name of names) assertMatch(answers[name] ?? stderr, /ENOENT|NotFound|o such file/);
  });

  requiresCapability("pidns")("in a PID namespace: kernel threads", () => {
    const prefix = ["unshare", "-p", "-f", "--mount-proc"];
    const { answers, stderr } = ask(["kthreads"], { prefix });
    assertMatch(answers.kthreads ?? stderr, /is no kernel thread|NotFound/);
  });

  const faults: [Capability, string, RegExp][] = [
    ["io_uring", "io_uring_setup:error=ENOSYS", /io_uring_setup failed: .*ENOSYS/],
    ["io_uring", "io_uring_enter:error=EPERM", /io_uring_enter failed: .*EPERM/],
    ["ptrace", "ptrace:error=EPERM", /PTRACE_SEIZE.* failed: .*EPERM/],
    ["bpf", "bpf:error=ENOSYS", /BPF_MAP_CREATE.* failed: .*ENOSYS/],
    ["bpf", "bpf:error=EPERM:when=3+", /BPF_PROG_LOAD.* failed: .*EPERM/],
    ["bpf", "bpf:error=EINVAL:when=4+", /BPF_RAW_TRACEPOINT_OPEN.* failed: .*EINVAL/],
    ["bpf", "bpf:retval=0:when=5..6", /never calls a program/],
    ["seccomp", "prctl:error=EINVAL", /input_no_ptrace.*: exit status 99/],
    ["memfd", "memfd_create:error=EACCES", /memfd_create failed: .*EACCES/],
    ["seccomp_suspend", "ptrace:error=EINVAL", /PTRACE_SEIZE.* failed: .*EINVAL/],
  ];
  for (const [name, fault, why] of faults) {
    requiresCapability(name, requires("strace"))(`when its call fails: ${name}, ${fault}`, () => {
      const call = fault.split(":")[0]!;
      const prefix = [
        ...["strace", "-f", "-qq", "-o", "/dev/null", "-e", `trace=${call}`],
        ...["-e", "signal=none", "-e", `inject=${fault}`],
      ];
      const { answers, stderr } = ask([name], { prefix });
      assertMatch(answers[name] ?? stderr, why);
    });
  }
});

describe("the probe of virtual machines", () => {
  const kvm = requiresCapability("kvm");

  kvm("says no when a machine is made and its processor does not run", () => {
    const ud2 = [0x0f, 0x0b]; // without an interrupt table a triple fault
    assertMatch(whyNoKvm(ud2) ?? "yes", /^a virtual processor does not run: .* reason \d+$/);
  });

  kvm("says no when the processor never returns", () => {
    const toItself = [0xeb, 0xfe];
    assertEquals(whyNoKvm(toItself, 2), "it does not end within 2 s");
  });
});

describe("the list of capabilities that this machine lacks", () => {
  it("has one line for each", () => {
    const names = ["ia32", "arm32", "bpf", "attach", "yama", "seccomp", "cgroups", "sve"] as const;
    for (const name of names) {
      const why = lacks(name);
      assert(why === undefined || /^no \w+: [^\n]+$/.test(why) && why.startsWith(`no ${name}: `));
    }
  });

  it("has attach or yama in it, because they exclude each other", () => {
    assert(lacks("attach") !== undefined || lacks("yama") !== undefined);
  });
});
