/**
 * The resource limits of this program itself, and what starts of it gets of them: getrlimit(2), prlimit(2). A program that
 * moves others must not fail half-way for want of a descriptor, so the soft limits are raised as far as the hard ones
 * allow; what this program starts has the limits that it was started with itself.
 *
 * The table of libc.ts takes some ten milliseconds to open, and these calls come before everything else.
 */
import {
  RLIMIT_NOFILE,
  RLIMIT_NPROC,
  RLIMIT_STACK,
  SIG_DFL,
  SIG_IGN,
  SIGXCPU,
  SIGXFSZ,
} from "./constants.ts";
import { SIGACTION } from "./signatures.ts";
import { rlimit, sigactionOfLibc } from "./structs.ts";
import { Struct } from "../struct.ts";

const SYMBOLS = {
  prlimit: {
    parameters: [
      "i32", // pid_t pid: 0 is this process
      "i32", // __rlimit_resource_t resource
      "buffer", // const struct rlimit *new_limit, may be null
      "buffer", // struct rlimit *old_limit, may be null
    ],
    result: "i32",
  },
  sigaction: SIGACTION,
} as const satisfies Deno.ForeignLibraryInterface;

export interface Limit {
  readonly soft: bigint;
  readonly hard: bigint;
}

/** The limits that are raised for this program, which may run against them. A child that runs no other program needs none of them. */
const RAISED: readonly number[] = [RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_STACK];

/**
 * Signals of limits, which end a program by default. Ignored, a write beyond RLIMIT_FSIZE returns EFBIG instead, and the
 * soft RLIMIT_CPU means nothing.
 */
const LIMIT_SIGNALS: readonly number[] = [SIGXFSZ, SIGXCPU];

let library: Deno.DynamicLibrary<typeof SYMBOLS> | undefined;

function symbols(): Deno.DynamicLibrary<typeof SYMBOLS>["symbols"] {
  // It is loaded already: no file is opened.
  library ??= Deno.dlopen("libc.so.6", SYMBOLS);
  return library.symbols;
}

/** What this program was started with, of all that was changed. */
const original = new Map<number, Limit>();
/** The {@linkcode LIMIT_SIGNALS} that were not ignored when this program was started, as a set. */
let newlyIgnored = 0n;

/** Our own limit of `resource`, one of RLIMIT_*. */
export function ownLimit(resource: number): Limit {
  const limit = new Struct(rlimit);
  symbols().prlimit(0, resource, null, limit.bytes);
  return { soft: limit.get("rlim_cur"), hard: limit.get("rlim_max") };
}

/** To be called before anything else is done. Again is as good as once. */
export function raiseOwnLimits(): void {
  for (const resource of RAISED) {
    const limit = ownLimit(resource);
    if (limit.soft === limit.hard) continue;
    if (setLimit(0, resource, { ...limit, soft: limit.hard })) original.set(resource, limit);
  }
  for (const signal of LIMIT_SIGNALS) {
    const before = new Struct(sigactionOfLibc);
    const ignored = new Struct(sigactionOfLibc).set("__sigaction_handler.sa_handler", SIG_IGN);
    symbols().sigaction(signal, ignored.bytes, before.bytes);
    if (before.get("__sigaction_handler.sa_handler") === SIG_DFL) {
      newlyIgnored |= 1n << BigInt(signal - 1);
    }
  }
}

/** Ignore the signals of `set`, bit N - 1 for signal N: the runtime's first listener takes some of them over. */
export function ignoreAgain(set: bigint): void {
  const ignored = new Struct(sigactionOfLibc).set("__sigaction_handler.sa_handler", SIG_IGN);
  for (let signal = 1; signal <= 64; signal++) {
    if ((set >> BigInt(signal - 1) & 1n) === 1n) symbols().sigaction(signal, ignored.bytes, null);
  }
}

/** Signals that this program ignores and was not told to, bit N - 1 for signal N. */
export function ignoredByUs(): bigint {
  return newlyIgnored;
}

/** Call `start`, which starts a process, with the limits that this program was started with: it inherits them. */
export function withOriginalLimits<T>(start: () => T): T {
  if (original.size === 0) return start();
  try {
    giveOriginalLimits(0);
    return start();
  } finally {
    for (const [resource, { hard }] of original) setLimit(0, resource, { soft: hard, hard });
  }
}

/** Give process `pid`, which we have started, the limits that this program was started with; 0 is this program. */
export function giveOriginalLimits(pid: number): void {
  for (const [resource, limit] of original) setLimit(pid, resource, limit);
}

function setLimit(pid: number, resource: number, { soft, hard }: Limit): boolean {
  const limit = new Struct(rlimit).set("rlim_cur", soft).set("rlim_max", hard);
  return symbols().prlimit(pid, resource, limit.bytes, null) === 0;
}
