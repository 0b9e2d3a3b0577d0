/** Calls on other processes. All return raw values (see `raw.ts`) unless they say otherwise. */
import type { FdArgument, RemoteFdArgument } from "../brands.ts";
import { PRIO_PROCESS, RLIMIT_MEMLOCK, RLIMIT_NOFILE } from "./constants.ts";
import { libc } from "./libc.ts";
import { enterKernel } from "./kernel_entry.ts";
import { raw } from "./raw.ts";
import { OWN_NUMBERS, type OwnCall } from "./syscall_numbers.ts";

/** Calls that older C libraries have no function for. */
function syscall(call: OwnCall, ...args: readonly number[]): number {
  return enterKernel(OWN_NUMBERS[call], args);
}

/** getpid(2): a call that has no effect, for a tracepoint to see. */
export function getpid(): number {
  return libc().getpid();
}

const PIDFD_THREAD = 0o200;

/** pidfd_open(2): a descriptor for the process, close-on-exec. */
export function pidfdOpen(pid: number): number {
  return syscall("pidfd_open", pid);
}

/** pidfd_open(2) for one thread; EINVAL before Linux 6.9. */
export function pidfdOpenThread(tid: number): number {
  return syscall("pidfd_open", tid, PIDFD_THREAD);
}

/** pidfd_getfd(2): our own descriptor, close-on-exec, for the open file behind `fd` there. */
export function pidfdGetfd(pidfd: FdArgument, fd: RemoteFdArgument): number {
  return syscall("pidfd_getfd", pidfd, fd);
}

/** pidfd_send_signal(2): cannot hit another process that took over the number. */
export function pidfdSendSignal(pidfd: FdArgument, signal: number): number {
  return syscall("pidfd_send_signal", pidfd, signal);
}

/** kcmp(2): 0 when both are the same object, 1 to 3 when not. */
export function kcmp(
  pid1: number,
  pid2: number,
  type: number,
  index1: number,
  index2: number,
): number {
  return syscall("kcmp", pid1, pid2, type, index1, index2);
}

/** getpgrp(2): our own process group. */
export function getpgrp(): number {
  return libc().getpgrp();
}

/** kill(2). */
export function kill(pid: number, signal: number): number {
  return raw(libc().kill(pid, signal), "kill", pid, signal);
}

/** Give up the processor for some microseconds, synchronously: usleep(3). */
export function usleep(microseconds: number): void {
  libc().usleep(microseconds);
}

const RLIM_INFINITY = 0xffff_ffff_ffff_ffffn;

/**
 * Until disposed of, this program may lock as much memory as it likes, where it is allowed that: before Linux 5.11 maps
 * and programs of bpf(2) counted as locked when they were made. Children inherit the limit: getrlimit(2), RLIMIT_MEMLOCK.
 */
export function allowLockedMemory(): Disposable {
  const before = new Uint8Array(16);
  const unlimited = new Uint8Array(BigUint64Array.of(RLIM_INFINITY, RLIM_INFINITY).buffer);
  const result = enterKernel(OWN_NUMBERS.prlimit64, [0, RLIMIT_MEMLOCK, unlimited, before]);
  return {
    [Symbol.dispose]() {
      if (result === 0) enterKernel(OWN_NUMBERS.prlimit64, [0, RLIMIT_MEMLOCK, before, 0]);
    },
  };
}

/** prlimit(2) of another process: RLIMIT_NOFILE becomes `limit`, a struct rlimit. */
export function setOpenFilesLimit(pid: number, limit: Uint8Array<ArrayBuffer>): number {
  return enterKernel(OWN_NUMBERS.prlimit64, [pid, RLIMIT_NOFILE, limit, 0]);
}

/** Have the scheduler prefer thread `tid` by so many steps, where we may: setpriority(2). What it starts takes after it. */
export function setNice(tid: number, nice: number): void {
  libc().setpriority(PRIO_PROCESS, tid, nice);
}
