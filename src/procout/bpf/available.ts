/** Why programs cannot be loaded into the kernel, and what to do about it. The decision is pure. */
import { RefusedError } from "../../errors.ts";
import { readable } from "../../proc/gone.ts";
import { readStatus } from "../../proc/status.ts";

/** The engine cannot be used here; another one may be. */
export class BpfUnavailableError extends RefusedError {
  override readonly name = "BpfUnavailableError" as RefusedError["name"];

  /** `why` is one clause: `Cannot use the engine bpf: WHY`. */
  constructor(readonly why: string, remedies: readonly string[] = [], options?: ErrorOptions) {
    super(`Cannot use the engine bpf: ${why}`, [...remedies, OTHER_ENGINE], options);
  }
}

const OTHER_ENGINE = "Or use --engine=ptrace";

export interface Surroundings {
  /** `uname -r` */
  readonly release: string;
  /** CapEff of ourselves; undefined when it cannot be read. */
  readonly capabilities: bigint | undefined;
  /** /sys/kernel/security/lockdown; undefined where it is not to be seen. */
  readonly lockdown: string | undefined;
  readonly hasTypes: boolean;
  /** Whether our user namespace is the first one. */
  readonly isFirstUserNamespace: boolean;
}

/** Where the kernel tells about its structures. */
export const KERNEL_TYPES = "/sys/kernel/btf/vmlinux";

const CAP_SYS_ADMIN = 21n;
const CAP_PERFMON = 38n;
const CAP_BPF = 39n;
/** With BPF_PROG_TEST_RUN for programs of raw tracepoints; the ring buffer came with 5.8. */
const OLDEST = [5, 10] as const;
/** The first user namespace: PROC_USER_INIT_INO of <linux/proc_ns.h>. */
const FIRST_USER_NAMESPACE = "user:[4026531837]";

/** What is missing here as far as it can be known beforehand; undefined when nothing is. */
export function whatIsMissing(facts: Surroundings): BpfUnavailableError | undefined {
  const [major = 0, minor = 0] = facts.release.split(/[.-]/).map(Number);
  if (major < OLDEST[0] || major === OLDEST[0] && minor < OLDEST[1]) {
    return new BpfUnavailableError(
      `Linux ${OLDEST.join(".")} or newer is needed, this is ${facts.release}`,
    );
  }
  const has = (capability: bigint) => ((facts.capabilities ?? 0n) >> capability & 1n) === 1n;
  const missing = [["CAP_BPF", CAP_BPF], ["CAP_PERFMON", CAP_PERFMON]] as const;
  const names = missing.filter(([, capability]) => !has(capability)).map(([name]) => name);
  if (names.length > 0 && !has(CAP_SYS_ADMIN)) {
    return new BpfUnavailableError(
      `${names.join(" and ")} ${names.length > 1 ? "are" : "is"} missing`,
      ["Run it as root: sudo procout --engine=bpf ..."],
    );
  }
  if (!facts.isFirstUserNamespace) {
    return new BpfUnavailableError(
      "a user namespace other than the first has no right to it, whatever its capabilities",
      ["Run it outside of the container"],
    );
  }
  if (facts.lockdown?.includes("[confidentiality]")) {
    return new BpfUnavailableError(
      "the kernel is locked down for confidentiality: programs in it may not read memory",
    );
  }
  if (!facts.hasTypes) {
    return new BpfUnavailableError(
      `the kernel does not tell about its structures: there is no ${KERNEL_TYPES} ` +
        "(CONFIG_DEBUG_INFO_BTF)",
    );
  }
  return undefined;
}

export function readSurroundings(): Surroundings {
  return {
    release: Deno.osRelease(),
    capabilities: readable(() => readStatus(Deno.pid)?.capEffective),
    lockdown: readable(() => Deno.readTextFileSync("/sys/kernel/security/lockdown")),
    hasTypes: readable(() => Deno.statSync(KERNEL_TYPES).isFile) ?? false,
    isFirstUserNamespace: readable(() => Deno.readLinkSync("/proc/self/ns/user")) ===
      FIRST_USER_NAMESPACE,
  };
}
