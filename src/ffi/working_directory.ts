/**
 * The working directory, where it has been deleted or is outside of our root. The runtime would not start there, so the
 * entry of the executable goes to "/" and leaves a descriptor of the directory: scripts/build/entry.ts. This program
 * goes back by that: a path like `-o FILE` must not lead to "/", and a command must not run there.
 */
import { F_GETFD, F_GETFL, FD_CLOEXEC, O_PATH } from "./constants.ts";
import { close, fcntl } from "./descriptor.ts";
import { enterKernel } from "./kernel_entry.ts";
import { orThrow } from "./raw.ts";
import { OWN_NUMBERS } from "./syscall_numbers.ts";

/** Go back to where this program was started. In any other directory nothing is done. Throws SyscallError. */
export function returnToWorkingDirectory(): void {
  if (!isAtRoot()) return;
  const fd = descriptorOfEntry();
  if (fd === undefined) return;
  try {
    orThrow(
      enterKernel(OWN_NUMBERS.fchdir, [fd]),
      "fchdir to the working directory, which was deleted",
    );
  } finally {
    close(fd);
  }
}

function isAtRoot(): boolean {
  try {
    return Deno.cwd() === "/";
  } catch {
    return false;
  }
}

/** No inherited descriptor is close-on-exec, and the runtime opens no file for its path alone: O_PATH, open(2). */
function descriptorOfEntry(): number | undefined {
  const fds = Array.from(Deno.readDirSync("/proc/self/fd"), ({ name }) => Number(name));
  return fds.find((fd) => has(fcntl(fd, F_GETFL), O_PATH) && has(fcntl(fd, F_GETFD), FD_CLOEXEC));
}

/** Whether `flags`, which are an error of fcntl(2) when negative, have `flag`. */
function has(flags: number, flag: number): boolean {
  return flags >= 0 && (flags & flag) !== 0;
}
