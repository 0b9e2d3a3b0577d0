/** The screen that is left behind by a program that drove it and could not be asked to put it right. */
import { SyscallError } from "../../../errors.ts";
import { O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_WRONLY } from "../../../ffi/constants.ts";
import { close, open, write } from "../../../ffi/descriptor.ts";
import { pidfdGetfd } from "../../../ffi/process.ts";
import { verbose } from "../../../log.ts";
import { decodeDevice, isDevTty } from "../../../proc/device.ts";
import { readProcStart } from "../../../proc/gone.ts";
import { BLIND_RESET } from "../../../tty/blind_reset.ts";
import type { OldTerminal } from "../../inspect/old_terminal.ts";
import type { Member } from "../job/member.ts";

/** TERM stands among the first, where it matters at all. */
const LONGEST_ENVIRONMENT = 1 << 18;

export class OldScreen implements Disposable {
  private constructor(readonly fd: number) {}

  /**
   * The terminal of `target`, opened once more: with O_NONBLOCK, which those who share the target's descriptor must not
   * see, and without which a screen that is held by ^S would hold us. `undefined` where it cannot be opened, and where
   * it does not understand control sequences.
   */
  static open(
    { pid, pidfd, fds, tracee }: Member,
    terminal: OldTerminal | undefined,
  ): OldScreen | undefined {
    const environment = readProcStart(pid, tracee.mainTid, "environ", LONGEST_ENVIRONMENT) ?? "";
    const term = environment.split("\0").find((entry) => entry.startsWith("TERM="))?.slice(5);
    if (term === undefined || term === "" || term === "dumb") return undefined;
    // To open /dev/tty again would be to open our own.
    const named = fds.find(({ fd, rdev }) =>
      terminal?.fds.includes(fd) === true && !isDevTty(decodeDevice(rdev))
    );
    const copy = named === undefined ? -1 : pidfdGetfd(pidfd, named.fd);
    if (copy < 0) return undefined;
    try {
      const flags = O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
      return new OldScreen(open(`/proc/self/fd/${copy}`, flags));
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      verbose(`The old screen stays as it is: ${error.message}`);
      return undefined;
    } finally {
      close(copy);
    }
  }

  /** Put right what a program may have set there. A screen that takes nothing stays as it is. */
  reset(): void {
    write(this.fd, new TextEncoder().encode(BLIND_RESET));
  }

  [Symbol.dispose](): void {
    close(this.fd);
  }
}
