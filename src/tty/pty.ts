/** A pseudoterminal of our own: pty(7), pts(4). */
import { RefusedError, SyscallError } from "../errors.ts";
import {
  F_SETFD,
  FD_CLOEXEC,
  O_CLOEXEC,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  POLLIN,
  TIOCGPTN,
  TIOCGPTPEER,
  TIOCSPTLCK,
} from "../ffi/constants.ts";
import { close, fcntl, ioctl, ioctlGet, ioctlStruct, open, PollSet } from "../ffi/descriptor.ts";
import { orThrow } from "../ffi/raw.ts";
import { layout, Struct } from "../struct.ts";

const int = layout("int", 4, { value: [0, "i32"] });

export class Pty implements Disposable {
  #slave: number | undefined;
  #closed = false;

  private constructor(
    /** The master's descriptor: nonblocking, close-on-exec. */
    readonly master: number,
    /** N of `/dev/pts/N`. */
    readonly index: number,
  ) {
    this.holdSlave();
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
   * Keep a slave descriptor open, as from the start. While none is open anywhere, a read from the master
   * fails with EIO, and poll(2) reports POLLHUP without end.
   */
  holdSlave(): void {
    this.#slave ??= this.openSlave(O_RDWR);
  }

  /** Let go of it: then the master tells when the programs on the slave have gone. */
  releaseSlave(): void {
    if (this.#slave !== undefined) close(this.#slave);
    this.#slave = undefined;
  }

  /**
   * Wait until the line discipline has taken what was written to the master, and has sent the signals that are in
   * it: a work queue does that, which n_tty_poll() in drivers/tty/n_tty.c waits for where nothing is left to be read.
   */
  settle(): void {
    const slave = this.openSlave(O_RDONLY);
    try {
      const set = new PollSet(1);
      set.watch(0, slave, POLLIN);
      set.poll(0);
    } finally {
      close(slave);
    }
  }

  /** The slave descriptor that is held. Throws RangeError when none is. */
  get slave(): number {
    if (this.#slave === undefined) throw new RangeError(`The slave of ${this.name} is not held`);
    return this.#slave;
  }

  /**
   * Close both sides, once. Programs still on the slave have SIGHUP then, and get end of file: pty(7). The kernel
   * signals the session's leader and the foreground process group, __tty_hangup() in drivers/tty/tty_io.c.
   */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.releaseSlave();
    close(this.master);
  }
}
