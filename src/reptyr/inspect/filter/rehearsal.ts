/**
 * Whether the calls of a move pass a seccomp filter that we are under ourselves. It cannot be read without CAP_SYS_ADMIN,
 * but it can be tried: a child of ours inherits it, and makes those calls on a terminal of its own. It undoes a step by
 * itself, too, as after a reptyr that is killed.
 */
import { ourFd } from "../../../brands.ts";
import { SyscallError, TraceeDiedError } from "../../../errors.ts";
import {
  __WALL,
  CLOCK_MONOTONIC,
  CLONE_THREAD,
  EPOLL_CTL_ADD,
  F_DUPFD_CLOEXEC,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  O_CLOEXEC,
  O_RDWR,
  PROT_READ,
  PROT_WRITE,
  RLIMIT_CORE,
  SIG_IGN,
  SIGHUP,
  TIOCNOTTY,
  TIOCSCTTY,
  TIOCSPGRP,
  WNOHANG,
} from "../../../ffi/constants.ts";
import { close, memfdCreate, write } from "../../../ffi/descriptor.ts";
import { ERRNO } from "../../../ffi/errno.ts";
import { pidfdOpen, usleep } from "../../../ffi/process.ts";
import { orThrow } from "../../../ffi/raw.ts";
import { spawn } from "../../../ffi/spawn.ts";
import { rlimit } from "../../../ffi/structs.ts";
import { isLive, readStat } from "../../../proc/stat.ts";
import { Struct } from "../../../struct.ts";
import { RemoteSyscalls } from "../../../tracee/remote_syscalls.ts";
import { runToCompletion } from "../../../tracee/steps.ts";
import { Deadline, statusNow } from "../../../tracee/wait.ts";
import { Pty } from "../../../tty/pty.ts";
import { Gate, signalOwnChild } from "../../gate/gate.ts";
import { sendFds } from "../../move/descriptors/send_fds.ts";
import { rehearsalProgram } from "./rehearsal_program.ts";
import type { Rehearsal } from "./shared_filter.ts";
import { identityOf } from "../../../proc/process_identity.ts";

/** How long the child may take for any of it. */
const SECONDS = 5;
const PAUSE_US = 500;

let known: Rehearsal | undefined;

/** What came of it. It takes some milliseconds, once. */
export function rehearse(): Rehearsal {
  return known ??= tryAll();
}

function tryAll(): Rehearsal {
  using cleanup = new DisposableStack();
  let step = "execve";
  try {
    const child = startChild(cleanup);
    const pty = cleanup.use(Pty.open());
    const pidfd = orThrow(pidfdOpen(child), `pidfd_open(${child})`);
    cleanup.defer(() => close(pidfd));
    makeCalls(child, pidfd, pty, (call) => step = call);
    return { outcome: "lives" };
  } catch (error) {
    return outcomeOf(error, step);
  }
}

function outcomeOf(error: unknown, call: string): Rehearsal {
  const first = error instanceof SuppressedError ? error.suppressed : error;
  if (first instanceof TraceeDiedError) return { outcome: "killed", call };
  if (!(first instanceof SyscallError)) {
    return { outcome: "untried", why: first instanceof Error ? first.message : String(first) };
  }
  const name = first.call.replace(/\(.*/s, "");
  if (REFUSALS.includes(first.errno)) return { outcome: "refused", call: name, code: first.code };
  return { outcome: "untried", why: first.message };
}

/** What filters answer in place of a call. */
const REFUSALS: readonly number[] = [ERRNO.EPERM, ERRNO.ENOSYS, ERRNO.EACCES];

/** In our own session and group, so that it may have a session of its own. */
function startChild(cleanup: DisposableStack): number {
  const file = orThrow(memfdCreate("reptyr-rehearsal"), "memfd_create");
  cleanup.defer(() => close(file));
  const program = rehearsalProgram(Deno.build.arch);
  orThrow(write(file, program), "write");
  const nothing = { path: "/dev/null", flags: O_RDWR };
  const pid = spawn([`/proc/self/fd/${file}`], {
    env: {},
    files: [0, 1, 2].map((fd) => ({ fd, ...nothing })),
  });
  cleanup.defer(() => end(pid));
  return pid;
}

function end(pid: number): void {
  try {
    signalOwnChild(pid, "SIGKILL");
    const deadline = new Deadline(SECONDS);
    while (statusNow(pid, pid) === undefined && !deadline.passed) usleep(PAUSE_US);
  } catch {
    // Its filter has ended it, and it has been waited for.
  }
}

/** Throws TraceeDiedError when a call ends the child, SyscallError when one that a move needs is refused. */
function makeCalls(pid: number, pidfd: number, pty: Pty, note: (call: string) => void): void {
  const gate = new Gate([identityOf(pid)]);
  using tracee = gate.seize(identityOf(pid), { timeoutSeconds: SECONDS, suspendsFilter: false });
  using remote = RemoteSyscalls.begin(tracee);
  const call = (...[name, ...args]: Parameters<RemoteSyscalls["syscall"]>): bigint => {
    note(name);
    const result = remote.syscall(name, ...args);
    // A filter that ends a process lets it come to the end of the call, and by SIGSYS no further.
    remote.syscall("getpid");
    if (REFUSALS.includes(Number(-result))) remote.check(result, `${name}()`);
    return result;
  };
  const { arch } = tracee;
  // A filter that ends it leaves no core file.
  call("prlimit64", 0, RLIMIT_CORE, remote.write(new Uint8Array(rlimit.size)), 0);
  call("getpid");
  call("getpgid", 0);
  call("getsid", 0);
  const access = PROT_READ | PROT_WRITE;
  call("munmap", call("mmap", 0, 4096, access, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096);

  note("socketpair");
  const [slave] = runToCompletion(sendFds(remote, ourFd(pidfd), [pty.slave]));
  const copy = call("fcntl", slave!, F_DUPFD_CLOEXEC, 3);
  call("dup3", slave!, copy, O_CLOEXEC);
  call("epoll_ctl", -1, EPOLL_CTL_ADD, slave!, remote.scratch);
  const ignore = new Struct(arch.structs.sigaction).set("sa_handler", SIG_IGN);
  call("rt_sigaction", SIGHUP, remote.write(ignore.bytes), 0, arch.sigsetSize);
  // With no time to sleep for: EFAULT.
  call("nanosleep", 0, 0);
  call("clock_nanosleep", CLOCK_MONOTONIC, 0, 0, 0);
  // Of flags that do not go together no child comes: EINVAL.
  call("clone", CLONE_THREAD, 0, 0, 0, 0);
  call("wait4", -1, 0, WNOHANG | __WALL, 0);
  // To lead a group would keep it from leading a session: EINVAL.
  call("setpgid", 0, -1);
  const session = call("setsid");
  call("ioctl", slave!, TIOCSCTTY, 0);
  const number = new Uint8Array(Int32Array.of(Number(session)).buffer);
  call("ioctl", slave!, TIOCSPGRP, remote.write(number));
  call("ioctl", slave!, TIOCNOTTY, 0);
  call("close", slave!);

  note("rt_sigreturn");
  if (!remote.hasSigframes) return;
  remote.pushUndoFrame("close", [copy]);
  call("getpid");
  note("rt_sigreturn");
  remote.leaveToSigframes();
  tracee.detach();
  awaitReturn(pid, Number(copy));
}

/** By itself the child closes the descriptor, and waits again. */
function awaitReturn(pid: number, fd: number): void {
  const deadline = new Deadline(SECONDS);
  while (!deadline.passed) {
    const stat = readStat(pid);
    if (stat === undefined || !isLive(stat)) throw new TraceeDiedError(pid);
    const fds = Array.from(Deno.readDirSync(`/proc/${pid}/fd`), ({ name }) => Number(name));
    if (!fds.includes(fd) && stat.state === "S") return;
    usleep(PAUSE_US);
  }
  throw new TraceeDiedError(pid);
}
