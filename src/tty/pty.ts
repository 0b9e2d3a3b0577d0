/** A pseudoterminal of our own: pty(7), pts(4). */
import { RefusedError, SyscallError } from "../errors.ts";
import {
  F_SETFD,
  FD_CLOEXEC,
  O_CLOEXEC,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDWR,
  TIOCGPTN,
  TIOCGPTPEER,
  TIOCSPTLCK,
} from "../ffi/constants.ts";
import { close, fcntl, ioctl, ioctlGet, ioctlStruct, open } from "../ffi/descriptor.ts";
import { orThrow } from "../ffi/raw.ts";
import { layout, Struct } from "../struct.ts";

const int = layout("int", 4, { value: [0, "i32"] });

export class Pty implements Disposable {
  #slave: number;

  private constructor(
    /** The master's descriptor: nonblocking, close-on-exec. */
    readonly master: number,
    /** N of `/dev/pts/N`. */
    readonly index: number,
  ) {
    this.#slave = this.openSlave(O_RDWR);
  }

  /** Make a new one. Throws RefusedError where the system has none to give. */
  static open(): Pty {
    try {
      const master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
      const call = `ioctl(${master}, TIOCSPTLCK)`;
      orThrow(ioctlStruct(master, TIOCSPTLCK, new Struct(int)), call);
      const index = ioctlGet(master, TIOCGPTN, int, `ioctl(${master}, TIOCGPTN)`).get("value");
      return new Pty(master, index);
    } catch (cause) {
      if (!(cause instanceof SyscallError)) throw cause;
      throw new RefusedError(
        `Cannot make a new terminal: ${cause.message}`,
        ["Is /dev/pts mounted, and /dev/ptmx there? See also /proc/sys/kernel/pty/max"],
        { cause },
      );
    }
  }

  get name(): string {
    return `/dev/pts/${this.index}`;
  }

  /**
   * A new open file description of the slave with access mode and status `flags`, close-on-exec. By
   * TIOCGPTPEER, so that no path is needed and none of another mount namespace is met.
   * Throws SyscallError.
   */
  openSlave(flags: number): number {
    // With O_CLOEXEC, TIOCGPTPEER would keep that in the description's status flags, where open(2) never
    // does: whoever gets the description would show it in /proc/PID/fdinfo, close-on-exec or not.
    const slave = orThrow(
      ioctl(this.master, TIOCGPTPEER, flags | O_NOCTTY),
      `ioctl(${this.master}, TIOCGPTPEER)`,
    );
    fcntl(slave, F_SETFD, FD_CLOEXEC);
    return slave;
  }

  /**
   * A slave descriptor that is kept open: while none is, a read from the master fails with EIO, and
   * a program may close its terminal for a moment and open it again.
   */
  get slave(): number {
    return this.#slave;
  }

  /** Close both sides. Programs still on the slave get SIGHUP, then end of file: pty(7). */
  [Symbol.dispose](): void {
    close(this.#slave);
    close(this.master);
  }
}
