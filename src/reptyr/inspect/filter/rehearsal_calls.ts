/** The system calls of a move, as a child makes them to show whether its seccomp filter lets them pass. */
import { ourFd } from "../../../brands.ts";
import {
  __WALL,
  CLOCK_MONOTONIC,
  CLONE_THREAD,
  EPOLL_CTL_ADD,
  F_DUPFD_CLOEXEC,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  O_CLOEXEC,
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
import { ERRNO } from "../../../ffi/errno.ts";
import { rlimit } from "../../../ffi/structs.ts";
import { identityOf } from "../../../proc/process_identity.ts";
import { Struct } from "../../../struct.ts";
import { RemoteSyscalls } from "../../../tracee/remote_syscalls.ts";
import { runToCompletion } from "../../../tracee/steps.ts";
import type { Pty } from "../../../tty/pty.ts";
import { Gate } from "../../gate/gate.ts";
import { sendFds } from "../../move/descriptors/send_fds.ts";
import { awaitReturn, REHEARSAL_SECONDS } from "./rehearsal_child.ts";

/** What filters return in place of making a call. */
const REFUSALS: readonly number[] = [ERRNO.EPERM, ERRNO.ENOSYS, ERRNO.EACCES];

/** Whether `errno` is the answer of a filter. */
export function isRefusal(errno: number): boolean {
  return REFUSALS.includes(errno);
}

/**
 * Have child `pid` make the calls of a move; `note` is told each before it is made. Throws TraceeDiedError when a call ends
 * the child, SyscallError when a call that a move needs is refused.
 */
export function makeCalls(
  pid: number,
  pidfd: number,
  pty: Pty,
  note: (call: string) => void,
): void {
  const gate = new Gate([identityOf(pid)]);
  using tracee = gate.seize(identityOf(pid), {
    timeoutSeconds: REHEARSAL_SECONDS,
    suspendsFilter: false,
  });
  using remote = RemoteSyscalls.begin(tracee);
  const call = (...[name, ...args]: Parameters<RemoteSyscalls["syscall"]>): bigint => {
    note(name);
    const result = remote.syscall(name, ...args);
    // A process that a filter ends still reaches the end of the call; SIGSYS ends it before the next one.
    remote.syscall("getpid");
    if (isRefusal(Number(-result))) remote.check(result, `${name}()`);
    return result;
  };
  const { arch } = tracee;
  // A child that the filter ends leaves no core file.
  call("prlimit64", 0, RLIMIT_CORE, remote.write(new Uint8Array(rlimit.size)), 0);
  call("getpid");
  call("getpgid", 0);
  call("getsid", 0);
  const access = PROT_READ | PROT_WRITE;
  call("munmap", call("mmap", 0, 4096, access, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096);

  note("socketpair");
  const [slave] = runToCompletion(sendFds(remote, ourFd(pidfd), [pty.slave]));
  if (slave === undefined) throw new Error("The child has received no descriptor of the slave");
  const copy = call("fcntl", slave, F_DUPFD_CLOEXEC, 3);
  call("dup3", slave, copy, O_CLOEXEC);
  call("epoll_ctl", -1, EPOLL_CTL_ADD, slave, remote.scratch);
  const ignore = new Struct(arch.structs.sigaction).set("sa_handler", SIG_IGN);
  call("rt_sigaction", SIGHUP, remote.write(ignore.bytes), 0, arch.sigsetSize);
  // Without a time to sleep for: EFAULT.
  call("nanosleep", 0, 0);
  call("clock_nanosleep", CLOCK_MONOTONIC, 0, 0, 0);
  // Flags that exclude each other make no child: EINVAL.
  call("clone", CLONE_THREAD, 0, 0, 0, 0);
  call("wait4", -1, 0, WNOHANG | __WALL, 0);
  // A group leader could not call setsid(2), so the group is an invalid one: EINVAL.
  call("setpgid", 0, -1);
  const session = call("setsid");
  call("ioctl", slave, TIOCSCTTY, 0);
  const number = new Uint8Array(Int32Array.of(Number(session)).buffer);
  call("ioctl", slave, TIOCSPGRP, remote.write(number));
  call("ioctl", slave, TIOCNOTTY, 0);
  call("close", slave);

  note("rt_sigreturn");
  if (!remote.hasSigframes) return;
  remote.pushUndoFrame("close", [copy]);
  call("getpid");
  note("rt_sigreturn");
  remote.leaveToSigframes();
  tracee.detach();
  awaitReturn(pid, Number(copy));
}
