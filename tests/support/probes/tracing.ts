/** Terminals, ptrace(2), and what decides who may trace: each tried on a child, or by one. */
import {
  POLLIN,
  PTRACE_INTERRUPT,
  PTRACE_O_SUSPEND_SECCOMP,
  PTRACE_SEIZE,
  WNOHANG,
} from "../../../src/ffi/constants.ts";
import { libc } from "../../../src/ffi/libc.ts";
import { usleep } from "../../../src/ffi/process.ts";
import { orThrow, raw } from "../../../src/ffi/raw.ts";
import { spawn } from "../../../src/ffi/spawn.ts";
import { readStat } from "../../../src/proc/stat.ts";
import { Pty } from "../../../src/tty/pty.ts";
import { PollSet, read, write } from "../../../src/ffi/descriptor.ts";
import { Child } from "../child.ts";
import { hasCompiler, victim, which } from "../programs.ts";
import { AS_NOBODY, isRoot } from "../users.ts";
import { reasonOf, whyFails } from "./attempt.ts";

const LIMIT_MS = 20_000;

/** What is typed on one side comes out of the other. */
export function whyNoPtys(): string | undefined {
  try {
    using pty = Pty.open();
    const text = new TextEncoder().encode("probe\n");
    orThrow(write(pty.master, text), "write");
    // A work queue takes the line to the slave.
    const set = new PollSet(1);
    set.watch(0, pty.slave, POLLIN);
    return set.poll(LIMIT_MS) === 1 &&
        orThrow(read(pty.slave, new Uint8Array(64)), "read") === text.length
      ? undefined
      : "a line written to the master does not come out of the slave";
  } catch (error) {
    return reasonOf(error);
  }
}

const PAUSE_US = 1000;

/** A child that sleeps is seized, with `options`, and stops when it is asked to. */
function whyNotSeized(options: number): string | undefined {
  using child = new Child(spawn(["sleep", "1000"], { env: Deno.env.toObject() }));
  const { pid } = child;
  const ptrace = (request: number, data = 0) =>
    orThrow(
      raw(libc().ptrace(request, pid, 0n, BigInt(data)), "ptrace", request, pid, 0, data),
      request === PTRACE_SEIZE ? `ptrace(PTRACE_SEIZE, options ${options})` : "ptrace",
    );
  try {
    ptrace(PTRACE_SEIZE, options);
    ptrace(PTRACE_INTERRUPT);
    const status = new Uint8Array(4);
    for (let tries = 0; tries < LIMIT_MS; tries++) {
      const stopped = raw(libc().waitpid(pid, status, WNOHANG), "wait4", pid, status, WNOHANG);
      if (orThrow(stopped, "waitpid") === pid) {
        return readStat(pid)?.state === "t" ? undefined : "a seized child ends";
      }
      usleep(PAUSE_US);
    }
    return "a seized child does not stop";
  } catch (error) {
    return reasonOf(error);
  }
}

export const whyNoPtrace = () => whyNotSeized(0);

/** EPERM without CAP_SYS_ADMIN, and for a tracer under a filter; EINVAL without CONFIG_CHECKPOINT_RESTORE. */
export const whyNoSeccompSuspend = () => whyNotSeized(PTRACE_O_SUSPEND_SECCOMP);

/** A program runs under a filter. */
export function whyNoSeccomp(): string | undefined {
  if (!hasCompiler) return "there is no C compiler to try it with";
  return whyFails([victim("input_no_ptrace"), which("true") ?? "/bin/true"]);
}

/**
 * A process of nobody opens the memory of another one that it is no ancestor of, which takes the right to attach:
 * PTRACE_MODE_ATTACH_FSCREDS in ptrace(2). The other one is the `sleep` or, as yet, the shell that becomes it.
 */
const ATTACHES = 'sleep 1000 & other=$!; sh -c \': <"/proc/$0/mem"\' "$other"; status=$?; ' +
  "kill $other; exit $status";

export function whyNoAttach(): string | undefined {
  const why = whyFails([...isRoot ? AS_NOBODY : [], "sh", "-c", ATTACHES]);
  return why === undefined ? undefined : `${why} (kernel.yama.ptrace_scope: ${yamaLevel() ?? "-"})`;
}

/** The level of kernel.yama.ptrace_scope, for messages that name it; undefined in a kernel without Yama. */
export function yamaLevel(): number | undefined {
  try {
    return Number(Deno.readTextFileSync("/proc/sys/kernel/yama/ptrace_scope"));
  } catch {
    return undefined;
  }
}

export function whyNoYama(): string | undefined {
  const level = yamaLevel();
  if (level === undefined) return "this kernel has no Yama";
  if (level === 0) return "kernel.yama.ptrace_scope is 0";
  return whyNoAttach() === undefined ? "an ordinary user may trace all the same" : undefined;
}
