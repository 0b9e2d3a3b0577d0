/**
 * Asks the C compiler whether every size, offset and constant that src/ffi and src/arch state is right.
 *
 * Nothing is run, so a cross compiler is enough: each number is written by an `asm` statement into the
 * assembly that `cc -S` prints, and read back from there. A target whose compiler or headers are not
 * installed is skipped and named; a number the compiler contradicts, or a name it does not know, fails.
 */
import * as aarch64 from "../src/arch/aarch64.ts";
import * as i386 from "../src/arch/i386.ts";
import * as i386SignalFrames from "../src/arch/i386_signal_frames.ts";
import * as x86_64 from "../src/arch/x86_64.ts";
import * as armFrames from "../src/arch/aarch64_signal_frames.ts";
import * as signalFrames from "../src/arch/x86_64_signal_frames.ts";
import * as extendedState from "../src/arch/x86_extended_state.ts";
import type { Architecture, SyscallName } from "../src/arch/arch.ts";
import { LP64_STRUCTS } from "../src/arch/lp64.ts";
import { PT_REGS_X86_64 } from "../src/arch/pt_regs.ts";
import * as bpfConstants from "../src/ffi/bpf_constants.ts";
import * as bpfStructs from "../src/ffi/bpf_structs.ts";
import * as constants from "../src/ffi/constants.ts";
import { ERRNO } from "../src/ffi/errno.ts";
import { SYSCALL_NUMBERS } from "../src/ffi/syscall_numbers.ts";
import * as structs from "../src/ffi/structs.ts";
import type { Layout, Scalar } from "../src/struct.ts";
import { dirname, join } from "@std/path";

export interface Fact {
  /** Where the number stands: `src/ffi/structs.ts`. */
  file: string;
  /** What it is called there: `struct winsize.ws_col`. */
  name: string;
  ours: number | bigint;
  /** A constant expression of C that must have the same value. */
  c: string;
}

type TargetName = "x86_64" | "i386" | "aarch64";

export interface Target {
  name: TargetName;
  /** Commands that may compile for it, and how their -dumpmachine begins. */
  compilers: readonly string[];
  machine: RegExp;
  flags: readonly string[];
}

export const TARGETS: readonly Target[] = [
  {
    name: "x86_64",
    compilers: ["cc", "gcc", "clang", "x86_64-linux-gnu-gcc", "x86_64-linux-gnu-gcc-12"],
    machine: /^x86_64-/,
    flags: ["-m64"],
  },
  {
    name: "i386",
    compilers: ["cc", "gcc", "clang", "i686-linux-gnu-gcc", "i686-linux-gnu-gcc-12"],
    machine: /^(x86_64|i[3-6]86)-/,
    // Debian's 32-bit C library brings no headers of its own folder: it shares those of x86_64.
    flags: ["-m32", "-I/usr/include/x86_64-linux-gnu"],
  },
  {
    name: "aarch64",
    compilers: ["cc", "gcc", "clang", "aarch64-linux-gnu-gcc", "aarch64-linux-gnu-gcc-12"],
    machine: /^aarch64-/,
    flags: [],
  },
];

/** What must hold where. */
export const TABLE: readonly { on: readonly TargetName[]; facts: () => Fact[] }[] = [
  // Used for calls of our own and for those made in a tracee.
  {
    on: ["x86_64", "i386", "aarch64"],
    facts: () => constantFacts("src/ffi/constants.ts", constants),
  },
  { on: ["x86_64", "i386", "aarch64"], facts: () => constantFacts("src/ffi/errno.ts", ERRNO) },
  // Layouts of the 64-bit machines that the executable itself runs on.
  {
    on: ["x86_64", "aarch64"],
    facts: () =>
      Object.entries(structs).flatMap(([name, layout]) =>
        layoutFacts("src/ffi/structs.ts", name, layout)
      ),
  },
  {
    on: ["x86_64", "aarch64"],
    facts: () => [
      ...constantFacts("src/ffi/bpf_constants.ts", bpfConstants),
      ...Object.entries(bpfStructs).flatMap(([name, value]) => bpfFacts(name, value)),
    ],
  },
  {
    on: ["x86_64"],
    facts: () => layoutFacts("src/arch/pt_regs.ts", "PT_REGS_X86_64", PT_REGS_X86_64),
  },
  { on: ["x86_64"], facts: () => ownCallFacts("x86_64") },
  { on: ["aarch64"], facts: () => ownCallFacts("aarch64") },
  {
    on: ["x86_64", "aarch64"],
    facts: () =>
      Object.entries(LP64_STRUCTS).flatMap(([name, one]) =>
        layoutFacts("src/arch/lp64.ts", name, one)
      ),
  },
  // Each other file of src/arch describes its own processor.
  {
    on: ["aarch64"],
    facts: () => [
      ...architectureFacts("src/arch/aarch64.ts", aarch64.aarch64, aarch64.USER_REGS),
      ...callFacts("src/arch/aarch64.ts", aarch64.EINTR_AFTER_STOP),
      ...layoutFacts("src/arch/aarch64_registers.ts", "USER_REGS", aarch64.USER_REGS),
      ...[armFrames.SIGNAL_FRAME, armFrames.FPSIMD_CONTEXT, armFrames.SVE_CONTEXT].flatMap((one) =>
        layoutFacts("src/arch/aarch64_signal_frames.ts", one.cName, one)
      ),
      ...[armFrames.FPSIMD_STATE, armFrames.SVE_HEADER].flatMap((one) =>
        layoutFacts("src/arch/aarch64_signal_frames.ts", one.cName, one)
      ),
    ],
  },
  {
    on: ["x86_64"],
    facts: () => [
      ...architectureFacts("src/arch/x86_64.ts", x86_64.x86_64, x86_64.USER_REGS),
      ...callFacts("src/arch/x86_64.ts", x86_64.EINTR_AFTER_STOP),
    ],
  },
  {
    on: ["x86_64"],
    facts: () => [
      ...layoutFacts("src/arch/x86_64_registers.ts", "USER_REGS", x86_64.USER_REGS),
      ...layoutFacts("src/arch/x86_64_signal_frames.ts", "SIGNAL_FRAME", signalFrames.SIGNAL_FRAME),
    ],
  },
  {
    on: ["i386"],
    facts: () => [
      ...architectureFacts("src/arch/i386.ts", i386.i386, i386.USER_REGS, i386.SECOND_NAMES),
      ...callFacts("src/arch/i386.ts", i386.EINTR_AFTER_STOP),
    ],
  },
  {
    on: ["i386"],
    facts: () => {
      const { SIGNAL_FRAME, LEGACY_STATE } = i386SignalFrames;
      const file = "src/arch/i386_signal_frames.ts";
      return [
        ...layoutFacts("src/arch/i386_registers.ts", "USER_REGS", i386.USER_REGS),
        ...layoutFacts(file, "SIGNAL_FRAME", SIGNAL_FRAME),
        ...layoutFacts(file, "LEGACY_STATE", LEGACY_STATE),
      ];
    },
  },
  {
    on: ["x86_64", "i386"],
    facts: () => {
      const { FP_XSTATE_MAGIC1, FP_XSTATE_MAGIC2, SW_BYTES } = extendedState;
      const file = "src/arch/x86_extended_state.ts";
      return [
        ...constantFacts(file, { FP_XSTATE_MAGIC1, FP_XSTATE_MAGIC2 }),
        ...layoutFacts(file, "SW_BYTES", SW_BYTES),
      ];
    },
  },
];

/** All facts of {@linkcode TABLE} that must hold on `target`. */
export function factsOf(target: TargetName): Fact[] {
  return TABLE.filter(({ on }) => on.includes(target)).flatMap(({ facts }) => facts());
}

/** Numbers of the calls that the executable makes itself. */
function ownCallFacts(target: keyof typeof SYSCALL_NUMBERS): Fact[] {
  return callFacts("src/ffi/syscall_numbers.ts", SYSCALL_NUMBERS[target]);
}

function callFacts(file: string, numbers: Readonly<Record<string, number>>): Fact[] {
  return Object.entries(numbers).map(([name, ours]) => ({ file, name, ours, c: `__NR_${name}` }));
}

type AnyLayout = Layout<Record<string, readonly [number, Scalar]>>;

/** Files of src/arch that state no numbers of a processor. */
const NO_FACTS = [
  "src/arch/arch.ts",
  "src/arch/mod.ts",
  "src/arch/register_access.ts",
  "src/arch/x86.ts",
];

/** Fields whose type is that of an array's first element. */
const FIRST_ELEMENTS = [
  "struct termios2.c_cc",
  "struct __ptrace_syscall_info.entry.args",
  "struct seccomp_data.args",
];

const BYTES: Record<Scalar, number> = { u8: 1, u16: 2, i16: 2, u32: 4, i32: 4, u64: 8, i64: 8 };

/** Names whose C expression is not the name itself: see PREAMBLE. */
const EXPRESSIONS: Readonly<Record<string, string>> = {
  PIDFD_GET_INFO: "PIDFD_GET_INFO_FIRST_SIZE",
  "sizeof(struct pidfd_info)": "PIDFD_INFO_SIZE_VER0",
};

/** The kernel's numbers of architectures: <linux/audit.h>, unsigned there. */
const AUDIT_ARCHITECTURES: Readonly<Record<string, string>> = {
  x86_64: "(long long)(unsigned int)AUDIT_ARCH_X86_64",
  i386: "(long long)(unsigned int)AUDIT_ARCH_I386",
  aarch64: "(long long)(unsigned int)AUDIT_ARCH_AARCH64",
};

/** Every number exported by a module is a constant with its C name. Throws on anything else. */
export function constantFacts(file: string, module: Readonly<Record<string, unknown>>): Fact[] {
  return Object.entries(module).map(([name, value]) => {
    if (typeof value !== "number" && typeof value !== "bigint") {
      throw new TypeError(`${file}: ${name} is not a number, so it cannot be compared with C`);
    }
    return { file, name, ours: value, c: EXPRESSIONS[name] ?? name };
  });
}

/** Size, and offset and width of each field, of a layout exported as `exportName`. */
export function layoutFacts(file: string, exportName: string, layout: unknown): Fact[] {
  if (!isLayout(layout)) {
    throw new TypeError(`${file}: ${exportName} is not a layout, so it cannot be compared with C`);
  }
  const type = layout.cName;
  const size = `sizeof(${type})`;
  return [
    { file, name: size, ours: layout.size, c: EXPRESSIONS[size] ?? size },
    ...Object.entries(layout.fields).flatMap(([field, [offset, scalar]]): Fact[] => {
      const name = `${type}.${field}`;
      const element = FIRST_ELEMENTS.includes(name) ? `${field}[0]` : field;
      return [
        { file, name, ours: offset, c: `offsetof(${type}, ${field})` },
        {
          file,
          name: `sizeof(${name})`,
          ours: BYTES[scalar],
          c: `sizeof(((${type} *)0)->${element})`,
        },
      ];
    }),
  ];
}

/** What src/ffi/bpf_structs.ts exports: places of names, and structures that have grown since and are used in part. */
function bpfFacts(name: string, value: unknown): Fact[] {
  const file = "src/ffi/bpf_structs.ts";
  const places: Readonly<Record<string, string>> = {
    MAP_NAME_OFFSET: "map_name",
    PROG_NAME_OFFSET: "prog_name",
  };
  if (typeof value === "number") {
    return [{ file, name, ours: value, c: `offsetof(union bpf_attr, ${places[name] ?? name})` }];
  }
  return layoutFacts(file, name, value).filter((fact) =>
    !/^sizeof\((union|struct) \w+\)$/.test(fact.name)
  );
}

function isLayout(value: unknown): value is AnyLayout {
  return typeof value === "object" && value !== null && "cName" in value && "fields" in value;
}

/**
 * Registers, system call numbers and structures of one file of src/arch. `secondNames` are those under
 * which C has the number of a call, where that is not the call's own.
 */
export function architectureFacts(
  file: string,
  arch: Architecture,
  registers: AnyLayout,
  secondNames: Readonly<Partial<Record<SyscallName, string>>> = {},
): Fact[] {
  return [
    ...layoutFacts(file, "registers", registers),
    {
      file,
      name: "registerSetSize",
      ours: arch.registerSetSize,
      c: `sizeof(${registers.cName})`,
    },
    // glibc counts one more than there are signals.
    { file, name: "sigsetSize", ours: arch.sigsetSize, c: "(_NSIG - 1) / 8" },
    { file, name: "addressBits", ours: arch.addressBits, c: "8 * sizeof(void *)" },
    ...(Object.entries(arch.syscallNumbers) as [SyscallName, number][]).map(([name, ours]) => ({
      file,
      name: `syscallNumbers.${name}`,
      ours,
      c: `__NR_${secondNames[name] ?? name}`,
    })),
    { file, name: "auditArch", ours: arch.auditArch, c: AUDIT_ARCHITECTURES[arch.name] ?? "0" },
    ...Object.entries(arch.watchedCalls).map(([name, ours]) => ({
      file,
      name: `watchedCalls.${name}`,
      ours,
      c: `__NR_${name}`,
    })),
    ...Object.entries(arch.structs).flatMap(([name, layout]) => layoutFacts(file, name, layout)),
  ];
}

/**
 * The headers, and what they do not declare for programs: the kernel's own sigaction (rt_sigaction(2), "C
 * library/kernel differences") and, in headers before Linux 6.13, pidfd_info. PIDFD_GET_INFO carries the size
 * of the structure, which has grown since; ours asks for the first size.
 */
const PREAMBLE = `
#define _GNU_SOURCE
#include <stddef.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <time.h>
#include <elf.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <asm/termbits.h>
#include <asm/unistd.h>
#include <sys/ioctl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <linux/capability.h>
#include <linux/kcmp.h>
#define _LINUX_FCNTL_H /* <linux/pidfd.h> wants it, but <fcntl.h> has declared the same */
#include <linux/pidfd.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/types.h>

#undef sa_handler /* <signal.h> makes it a member of a union of its own */
struct kernel_sigaction {
  void (*sa_handler)(int);
  unsigned long sa_flags;
  void (*sa_restorer)(void);
  unsigned long sa_mask[64 / (8 * sizeof(long))];
};

#ifdef __i386__
struct signal_frame {
  char *pretcode;
  int sig;
  siginfo_t *pinfo;
  void *puc;
  siginfo_t info;
  ucontext_t uc;
};
#else
struct signal_frame { char *pretcode; ucontext_t uc; };
#endif

#ifndef NT_ARM_SSVE /* <elf.h> of C libraries before 2.36, and 2.41 */
#define NT_ARM_SSVE 0x40b
#endif
#ifndef NT_ARM_GCS
#define NT_ARM_GCS 0x410
#endif

#ifdef __aarch64__
struct rt_sigframe { siginfo_t info; ucontext_t uc; }; /* arch/arm64/kernel/signal.c */
#endif

#ifdef PIDFD_GET_INFO
#define PIDFD_GET_INFO_FIRST_SIZE \\
  _IOWR(_IOC_TYPE(PIDFD_GET_INFO), _IOC_NR(PIDFD_GET_INFO), char[PIDFD_INFO_SIZE_VER0])
#else
struct pidfd_info {
  __u64 mask, cgroupid;
  __u32 pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
  __s32 exit_code;
};
#define PIDFD_INFO_SIZE_VER0 sizeof(struct pidfd_info)
#define PIDFD_GET_INFO_FIRST_SIZE _IOWR(0xFF, 11, struct pidfd_info)
#define PIDFD_INFO_EXIT (1UL << 3)
#endif
`;

/** Compiles wherever a C library and the kernel's headers are installed. */
const PROBE = "#include <sys/ptrace.h>\n#include <linux/ptrace.h>\n";

/**
 * A C file whose assembly holds `fact N HIGH LOW` for each fact: the two halves of its value, as an immediate
 * operand may have 32 bits only. #line makes the compiler name the fact in its errors: `FACT N:1:...`.
 */
export function program(facts: readonly Fact[]): string {
  const statements = facts.map(({ c }, index) => {
    const value = `(long long)(${c})`;
    return `#line 1 "FACT ${index}"\n` +
      `  __asm__ volatile(".ascii \\"fact ${index} %c0 %c1\\"" : : ` +
      `"i"((int)(${value} >> 32)), "i"((int)(${value})));\n`;
  });
  return `${PREAMBLE}\nvoid facts(void) {\n${statements.join("")}}\n`;
}

/** The values in the assembly of a {@linkcode program}, by index of the fact. */
export function valuesOf(assembly: string): Map<number, bigint> {
  return new Map(
    [...assembly.matchAll(/\.ascii\s+"fact (\d+) (-?\d+) (-?\d+)"/g)].map((
      [, index, high, low],
    ) => [Number(index), (BigInt(high!) << 32n) + BigInt.asUintN(32, BigInt(low!))]),
  );
}

/** One line for each fact that `values` contradicts or lacks. */
export function contradictions(
  facts: readonly Fact[],
  values: ReadonlyMap<number, bigint>,
): string[] {
  return facts.flatMap(({ file, name, ours }, index) => {
    const theirs = values.get(index);
    if (theirs === BigInt(ours)) return [];
    return [`${file}: ${name}: we say ${ours}, C says ${theirs ?? "nothing"}`];
  });
}

/** The compiler's errors, with each `FACT N` replaced by what it stands for. */
export function compileErrors(facts: readonly Fact[], stderr: string): string[] {
  return stderr.split("\n").flatMap((line) => {
    const [, index, message] = /^FACT (\d+):.*?\berror: (.*)/.exec(line) ?? [];
    const fact = facts[Number(index)];
    if (fact !== undefined) return [`${fact.file}: ${fact.name}: ${message}`];
    return /\berror: /.test(line) ? [line] : [];
  });
}

interface Compiled {
  success: boolean;
  stdout: string;
  stderr: string;
}

/** Run `command` with `stdin`; undefined when there is no such command. */
async function tryRun(
  command: string,
  args: readonly string[],
  stdin = "",
): Promise<Compiled | undefined> {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(command, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      env: { LC_ALL: "C" },
    }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  const writer = child.stdin.getWriter();
  // A compiler that ends before it has read everything says why on stderr.
  const written = writer.write(new TextEncoder().encode(stdin)).then(() => writer.close()).catch(
    () => {},
  );
  const [{ success, stdout, stderr }] = await Promise.all([child.output(), written]);
  const decoder = new TextDecoder();
  return { success, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

function compile(
  compiler: string,
  target: Target,
  source: string,
): Promise<Compiled | undefined> {
  return tryRun(compiler, [...target.flags, "-w", "-S", "-x", "c", "-o", "-", "-"], source);
}

export type Result =
  | { kind: "skipped"; why: string }
  | { kind: "compared"; compiler: string; facts: number; problems: string[] };

/** Compare `facts` with what the first usable compiler for `target` says. */
export async function verify(target: Target, facts: readonly Fact[]): Promise<Result> {
  let why = `no C compiler for it; looked for ${target.compilers.join(", ")}`;
  for (const compiler of target.compilers) {
    const machine = await tryRun(compiler, ["-dumpmachine"]);
    if (machine === undefined || !target.machine.test(machine.stdout)) continue;
    const probe = await compile(compiler, target, PROBE);
    if (!probe?.success) {
      const reason = probe?.stderr.split("\n").find((line) => /\berror: /.test(line));
      why = `${compiler} has no headers for it: ${reason ?? "it ends with an error"}`;
      continue;
    }
    const result = await compile(compiler, target, program(facts));
    const problems = result!.success
      ? contradictions(facts, valuesOf(result!.stdout))
      : compileErrors(facts, result!.stderr);
    if (!result!.success && problems.length === 0) problems.push(result!.stderr);
    return { kind: "compared", compiler, facts: facts.length, problems };
  }
  return { kind: "skipped", why };
}

/** Files of src/arch, as paths from the root, that no target has facts of. */
export function uncheckedArchitectures(files: readonly string[], facts: readonly Fact[]): string[] {
  const checked = new Set(facts.map(({ file }) => file));
  return files.filter((file) => !checked.has(file) && !NO_FACTS.includes(file));
}

async function main(): Promise<number> {
  let failed = false;
  for (const target of TARGETS) {
    const result = await verify(target, factsOf(target.name));
    if (result.kind === "skipped") {
      console.log(`${target.name}: SKIPPED: ${result.why}`);
      continue;
    }
    for (const problem of result.problems) console.error(`${target.name}: ${problem}`);
    failed ||= result.problems.length > 0;
    const wrong = result.problems.length;
    console.log(
      `${target.name}: ${result.facts} facts compared (${result.compiler}), ${wrong} wrong`,
    );
  }
  const folder = join(dirname(import.meta.dirname!), "src", "arch");
  const files = [...Deno.readDirSync(folder)].map(({ name }) => `src/arch/${name}`);
  for (const file of uncheckedArchitectures(files, TABLE.flatMap(({ facts }) => facts()))) {
    console.error(`${file} is compared with nothing: add it to TABLE in scripts/verify_abi.ts`);
    failed = true;
  }
  return failed ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main());
