/** A pseudoterminal of our own: pty(7), pts(4). */
import { type FdArgument, type OurFd, ourFd } from "../brands.ts";
import { RefusedError, SyscallError } from "../errors.ts";
import {
  F_GETFL,
  F_SETFD,
  F_SETFL,
  FD_CLOEXEC,
  O_ASYNC,
  O_CLOEXEC,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  POLLIN,
  TIOCGPTN,
  TIOCGPTPEER,
  TIOCPKT,
  TIOCSIG,
  TIOCSPTLCK,
} from "../ffi/constants.ts";
import { close, fcntl, ioctl, ioctlGet, ioctlStruct, open, PollSet } from "../ffi/descriptor.ts";
import { orThrow } from "../ffi/raw.ts";
import { layout, Struct } from "../struct.ts";

const int = layout("int", 4, { value: [0, "i32"] });

function indexOf(master: number): number {
  return ioctlGet(master, TIOCGPTN, int, `ioctl(${master}, TIOCGPTN)`).get("value");
}

export class Pty implements Disposable {
  #slave: OurFd | undefined;
  #closed = false;

  private constructor(
    /** The master's descriptor: nonblocking, close-on-exec. */
    readonly master: OurFd,
    /** N of `/dev/pts/N`. */
    readonly index: number,
  ) {}

  /** Make a new one. Throws RefusedError where the system has none to give. */
  static open(): Pty {
    try {
      const master = ourFd(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
      const call = `ioctl(${master}, TIOCSPTLCK)`;
      orThrow(ioctlStruct(master, TIOCSPTLCK, new Struct(int)), call);
      const index = indexOf(master);
      const pty = new Pty(master, index);
      pty.holdSlave();
      return pty;
    } catch (cause) {
      if (!(cause instanceof SyscallError)) throw cause;
      throw new RefusedError(
        `Cannot make a new terminal: ${cause.message}`,
        ["Is /dev/pts mounted, and /dev/ptmx there? See also /proc/sys/kernel/pty/max"],
        { cause },
      );
    }
  }

  /**
   * The pty of a master that another program has made: `master` becomes nonblocking, and sends no SIGIO and no packets
   * any more, TIOCPKT in ioctl_tty(2). No slave is held. Throws SyscallError.
   */
  static adopt(master: FdArgument): Pty {
    const flags = orThrow(fcntl(master, F_GETFL), `fcntl(${master}, F_GETFL)`);
    orThrow(fcntl(master, F_SETFL, flags & ~O_ASYNC | O_NONBLOCK), `fcntl(${master}, F_SETFL)`);
    orThrow(ioctlStruct(master, TIOCPKT, new Struct(int)), `ioctl(${master}, TIOCPKT)`);
    return new Pty(ourFd(master), indexOf(master));
  }

  /** Whether the master under our descriptor is another one by now: another program has taken ours. */
  get isTaken(): boolean {
    return indexOf(this.master) !== this.index;
  }

  get name(): string {
    return `/dev/pts/${this.index}`;
  }

  /**
   * A new open file description of the slave with access mode and status `flags`, close-on-exec. By
   * TIOCGPTPEER, so that no path is needed and none of another mount namespace is met.
   * Throws SyscallError.
   */
  openSlave(flags: number): OurFd {
    // With O_CLOEXEC, TIOCGPTPEER would keep that in the description's status flags, where open(2) never
    // does: a process that gets the description would show it in /proc/PID/fdinfo, close-on-exec or not.
    const slave = orThrow(
      ioctl(this.master, TIOCGPTPEER, flags | O_NOCTTY),
      `ioctl(${this.master}, TIOCGPTPEER)`,
    );
    fcntl(slave, F_SETFD, FD_CLOEXEC);
    return ourFd(slave);
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
   * Send SIGINT, SIGQUIT or SIGTSTP to the foreground process group of the slave, as the kernel does for a key: all of it
   * in one go, and the reader that is in it.
   */
  signalForeground(signal: number): void {
    ioctl(this.master, TIOCSIG, signal);
  }

  /** Whether the slave has something for its readers: of a line in canonical mode, only when it is ended. */
  hasUnread(): boolean {
    const slave = this.openSlave(O_RDONLY);
    try {
      const set = new PollSet(1);
      set.watch(0, slave, POLLIN);
      return set.poll(0) > 0 && (set.reported(0) & POLLIN) !== 0;
    } finally {
      close(slave);
    }
  }

  /** The slave descriptor that is held. Throws RangeError when none is. */
  get slave(): OurFd {
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
