/** A new terminal that other programs open by its name. */
import { RefusedError, SyscallError } from "../../errors.ts";
import { O_CLOEXEC, O_NOCTTY, O_RDWR } from "../../ffi/constants.ts";
import { close, open } from "../../ffi/descriptor.ts";
import { Pty } from "../../tty/pty.ts";
import type { Termios } from "../../tty/settings.ts";
import { getTermios, setTermios } from "../../tty/termios.ts";
import type { UserTerminal } from "../../tty/user_terminal.ts";
import { setWindowSize } from "../../tty/window_size.ts";
import { sizeOf } from "../frontend/own_terminal.ts";

export class NamedPty implements Disposable {
  private constructor(readonly pty: Pty, readonly settings: Termios) {}

  /** With the settings and the size of the user's. Throws RefusedError where its name does not lead to it. */
  static open(terminal: UserTerminal): NamedPty {
    const pty = Pty.open();
    try {
      requireName(pty);
      const settings = getTermios(terminal.keyboard);
      setTermios(pty.slave, settings);
      setWindowSize(pty.slave, sizeOf(terminal)());
      return new NamedPty(pty, settings);
    } catch (error) {
      pty[Symbol.dispose]();
      throw error;
    }
  }

  /** On stdout, for scripts to read. */
  print(): void {
    const line = new TextEncoder().encode(`Opened a new pty: ${this.pty.name}\n`);
    for (let done = 0; done < line.length;) done += Deno.stdout.writeSync(line.subarray(done));
  }

  /**
   * To be called when a program has hung the terminal up, as login(1) does by vhangup(2): nobody has it open any more, we
   * neither, and it has its first settings again, tty_ldisc_hangup(). For the next program it is as for the first.
   */
  holdAgain(): void {
    this.pty.releaseSlave();
    this.pty.holdSlave();
    setTermios(this.pty.slave, this.settings);
  }

  [Symbol.dispose](): void {
    this.pty[Symbol.dispose]();
  }
}

/** Other programs open the terminal by its name: in a sandbox /dev/pts may be another one than that behind /dev/ptmx. */
function requireName({ name }: Pty): void {
  try {
    close(open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause;
    throw new RefusedError(
      `Cannot use the new terminal by its name: ${cause.message}`,
      ["Is /dev/pts the file system that /dev/ptmx belongs to? See pts(4)"],
      { cause },
    );
  }
}
