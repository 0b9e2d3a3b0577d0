/** Parts of the kernel that may be left out, switched off or forbidden: each is used once. */
import { enterKernel } from "../../../src/ffi/kernel_entry.ts";
import { MFD_CLOEXEC } from "../../../src/ffi/constants.ts";
import { cString } from "../../../src/ffi/memory.ts";
import { OWN_NUMBERS } from "../../../src/ffi/syscall_numbers.ts";
import { close } from "../../../src/ffi/descriptor.ts";
import { orThrow } from "../../../src/ffi/raw.ts";
import { setOpenFilesLimit } from "../../../src/ffi/process.ts";
import { rlimit } from "../../../src/ffi/structs.ts";
import { readOpenFilesLimit } from "../../../src/proc/limits.ts";
import { Struct } from "../../../src/struct.ts";
import { spawn } from "../../../src/ffi/spawn.ts";
import { parseStat, PF_KTHREAD } from "../../../src/proc/stat.ts";
import { Child } from "../child.ts";
import { reasonOf } from "./attempt.ts";

/** Calls that the executable does not make; of 5.1, with one number everywhere. */
const SYS_io_uring_setup = 425;
const SYS_io_uring_enter = 426;
/** prctl(2), on aarch64. */
const SYS_prctl_aarch64 = 167;
const PR_SVE_GET_VL = 51;
const PR_SME_GET_VL = 64;

/** A ring is made and entered; kernel.io_uring_disabled and filters of containers refuse that. */
export function whyNoIoUring(): string | undefined {
  try {
    const ring = orThrow(
      enterKernel(SYS_io_uring_setup, [4, new Uint8Array(256)]),
      "io_uring_setup",
    );
    try {
      orThrow(enterKernel(SYS_io_uring_enter, [ring, 0, 0, 0, 0, 0]), "io_uring_enter");
    } finally {
      close(ring);
    }
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

/** A file of memory is written and read back by its name in /proc; filters of containers may refuse that. */
export function whyNoMemfd(): string | undefined {
  try {
    const args = [cString("reptyr-probe"), MFD_CLOEXEC];
    const fd = orThrow(enterKernel(OWN_NUMBERS.memfd_create, args), "memfd_create");
    try {
      const path = `/proc/self/fd/${fd}`;
      Deno.writeTextFileSync(path, "probe");
      return Deno.readTextFileSync(path) === "probe" ? undefined : "what is written is not read";
    } finally {
      close(fd);
    }
  } catch (error) {
    return reasonOf(error);
  }
}

/** A child's hard RLIMIT_NOFILE is raised: CAP_SYS_RESOURCE in the first user namespace. */
export function whyNoSysResource(): string | undefined {
  try {
    using child = new Child(
      spawn(["sleep", "1000"], { env: { PATH: Deno.env.get("PATH") ?? "" } }),
    );
    const hard = readOpenFilesLimit(child.pid, child.pid)?.hard ?? 0;
    const limit = new Struct(rlimit).set("rlim_cur", 3n).set("rlim_max", BigInt(hard + 1));
    orThrow(setOpenFilesLimit(child.pid, limit.bytes), "prlimit");
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

/** Where systemd's hierarchy may be: with cgroup v1, with both, and with v2. */
const HIERARCHIES = ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"];

let hierarchy: string | undefined;

/** A process is put into a new cgroup, and /proc/PID/cgroup shows it there. */
export function whyNoCgroups(): string | undefined {
  const reasons: string[] = [];
  for (const folder of HIERARCHIES) {
    const why = whyNoCgroupIn(folder);
    if (why === undefined) {
      hierarchy = folder;
      return undefined;
    }
    reasons.push(`${folder}: ${why}`);
  }
  return reasons.join("; ");
}

/** The folder that {@linkcode whyNoCgroups} could use. */
export function cgroupHierarchy(): string {
  if (hierarchy === undefined) throw new Error('Guard with requiresCapability("cgroups")');
  return hierarchy;
}

function whyNoCgroupIn(hierarchy: string): string | undefined {
  const name = `reptyr-probe-${Deno.pid}`;
  const folder = `${hierarchy}/${name}`;
  using cleanup = new DisposableStack();
  try {
    Deno.mkdirSync(folder);
    cleanup.defer(() => Deno.removeSync(folder));
    const sleep = cleanup.use(new Child(spawn(["sleep", "1000"], { env: Deno.env.toObject() })));
    // Not created where it is missing: in a folder that is no cgroup this is ENOENT.
    Deno.writeTextFileSync(`${folder}/cgroup.procs`, `${sleep.pid}`, { create: false });
    const shown = Deno.readTextFileSync(`/proc/${sleep.pid}/cgroup`);
    return shown.includes(`/${name}\n`) ? undefined : "/proc/PID/cgroup does not show it";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Nothing else is a console; the one that tests use is not that of a running X or getty by default. */
export const CONSOLE = "/dev/tty9";

export function whyNoConsole(): string | undefined {
  try {
    using file = Deno.openSync(CONSOLE, { read: true, write: true });
    return file.isTerminal() ? undefined : `${CONSOLE} is no terminal`;
  } catch (error) {
    return `${error}`;
  }
}

/** `kthreadd`, where the PID namespace of the tests shows it. */
export const KTHREADD = 2;

export function whyNoKernelThreads(): string | undefined {
  try {
    const { flags } = parseStat(Deno.readTextFileSync(`/proc/${KTHREADD}/stat`));
    return (flags & PF_KTHREAD) !== 0 ? undefined : `process ${KTHREADD} is no kernel thread`;
  } catch (error) {
    return `${error}`;
  }
}

/** The kernel answers with the length of this thread's vectors, or with EINVAL where there are none. */
function whyNoVectors(request: number): string | undefined {
  if (Deno.build.arch !== "aarch64") return `this is ${Deno.build.arch}`;
  try {
    orThrow(enterKernel(SYS_prctl_aarch64, [request]), `prctl(${request})`);
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

export const whyNoSve = () => whyNoVectors(PR_SVE_GET_VL);
export const whyNoSme = () => whyNoVectors(PR_SME_GET_VL);
