/** The exit status of a process that is not our child. */
import { PIDFD_GET_INFO, PIDFD_INFO_EXIT } from "../ffi/constants.ts";
import { ioctlStruct } from "../ffi/descriptor.ts";
import { pidfdInfo } from "../ffi/structs.ts";
import { Struct } from "../struct.ts";
import { isDeadState, readStat } from "./stat.ts";

/** A wait status as a shell's `$?`: the exit status, or 128 + the signal that ended the process. */
export function shellStatus(waitStatus: number): number {
  const signal = waitStatus & 0x7f;
  return signal === 0 ? (waitStatus >> 8) & 0xff : 128 + signal;
}

/**
 * The status, as of {@linkcode shellStatus}, of the ended process `pid` that `pidfd` stands for and that
 * was started at `startTime`; 0 where the kernel does not tell.
 *
 * While it is a zombie, field 52 of /proc/PID/stat holds the status; once its parent has reaped it, since
 * Linux 6.15, PIDFD_GET_INFO does, for a pidfd opened before. Neither answers in the other's time.
 */
export function exitStatus(pid: number, pidfd: number, startTime: bigint): number {
  const stat = readStat(pid);
  if (stat !== undefined && stat.startTime === startTime && isDeadState(stat.state)) {
    return shellStatus(stat.exitCode);
  }
  const info = new Struct(pidfdInfo).set("mask", BigInt(PIDFD_INFO_EXIT));
  const known = ioctlStruct(pidfd, PIDFD_GET_INFO, info) >= 0 &&
    (info.get("mask") & BigInt(PIDFD_INFO_EXIT)) !== 0n;
  return known ? shellStatus(info.get("exit_code")) : 0;
}
