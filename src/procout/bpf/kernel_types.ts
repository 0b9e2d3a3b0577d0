/** What the programs have to know of this kernel, and why it cannot have them. */
import { SAVED_REGISTERS } from "../../arch/pt_regs.ts";
import { SyscallError } from "../../errors.ts";
import { VerifierError } from "../../ffi/bpf.ts";
import { KERNEL_STRUCTURES, type KernelOffsets } from "./asm.ts";
import { BpfUnavailableError, KERNEL_TYPES } from "./available.ts";
import { findOffsets } from "./btf.ts";
import type { MirrorSettings } from "./record_asm.ts";

/** The first pid namespace: PROC_PID_INIT_INO of <linux/proc_ns.h>. */
const FIRST_PID_NAMESPACE = 0xeffffffc;

/** Where this kernel's structures have their fields, by its BTF, and where it saves a thread's registers. */
export type KernelFacts = Pick<MirrorSettings, "registers" | "kernel" | "threadStatus">;

/** Throws SyntaxError when the BTF lacks a field. */
export function readKernelFacts(): KernelFacts {
  const bytes = Deno.readFileSync(KERNEL_TYPES);
  const registers = SAVED_REGISTERS[Deno.build.arch];
  if (Deno.build.arch !== "x86_64") {
    const kernel: KernelOffsets = findOffsets(bytes, KERNEL_STRUCTURES);
    return { registers, kernel, threadStatus: undefined };
  }
  const kernel = findOffsets(bytes, { ...KERNEL_STRUCTURES, thread_info: ["status"] });
  const threadStatus = kernel["task_struct.thread_info"] + kernel["thread_info.status"];
  return { registers, kernel, threadStatus };
}

/** The inode of our pid namespace; undefined when it is the first one. */
export function ownPidNamespace(): number | undefined {
  const inode = Deno.statSync("/proc/self/ns/pid").ino ?? FIRST_PID_NAMESPACE;
  return inode === FIRST_PID_NAMESPACE ? undefined : inode;
}

/** `error` of loading the programs, as BpfUnavailableError where the kernel is the reason. */
export function explainLoadFailure(error: unknown): unknown {
  const unavailable = (why: string) => new BpfUnavailableError(why, [], { cause: error });
  if (error instanceof SyscallError) {
    const { call, reason, code } = error;
    if (call.includes("RAW_TRACEPOINT")) {
      return unavailable(`no tracepoint: ${call}: ${reason} (${code})`);
    }
    return unavailable(`${call}: ${reason} (${code})`);
  }
  if (error instanceof VerifierError) {
    return unavailable(`this kernel does not accept its program ${error.program}`);
  }
  // The kernel's description of its structures lacks something.
  if (error instanceof SyntaxError) return unavailable(error.message);
  return error;
}
