/** What a pty's master tells of its slave: pty(7), ioctl_tty(2). */
import {
  F_SETFD,
  FD_CLOEXEC,
  O_CLOEXEC,
  O_NOCTTY,
  O_NONBLOCK,
  O_PATH,
  O_RDWR,
  TIOCGPTPEER,
  TIOCGSID,
} from "../ffi/constants.ts";
import { close, fcntl, ioctl, ioctlStruct, open } from "../ffi/descriptor.ts";
import { layout, Struct } from "../struct.ts";

const pidT = layout("pid_t", 4, { value: [0, "i32"] });

/**
 * The session that has the slave as its controlling terminal, as we number processes; undefined when no session has, or
 * only one in a PID namespace that we do not see. Unlike a device number, no two terminals share one.
 */
export function sessionOn(master: number): number | undefined {
  const session = new Struct(pidT);
  if (ioctlStruct(master, TIOCGSID, session) < 0) return undefined;
  return session.get("value") > 0 ? session.get("value") : undefined;
}

/** What stat(2) says of a terminal's device file. */
export interface DeviceFile {
  readonly dev: number;
  readonly ino: number;
  readonly rdev: number;
}

/** The device file of the slave; undefined where the kernel does not open it for us, as with TIOCEXCL. */
export function slaveOf(master: number): DeviceFile | undefined {
  return withSlave(master, deviceFile);
}

/** The same file as a descriptor for its owner and mode, O_PATH in open(2); the caller closes it. No open terminal. */
export function slavePath(master: number): number | undefined {
  return withSlave(master, (slave) => open(`/proc/self/fd/${slave}`, O_PATH | O_CLOEXEC));
}

/** The slave itself, opened anew: close-on-exec, nonblocking; undefined where the kernel does not open it for us. */
export function openSlaveOf(master: number): number | undefined {
  const slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK);
  if (slave < 0) return undefined;
  fcntl(slave, F_SETFD, FD_CLOEXEC);
  return slave;
}

function withSlave<T>(master: number, use: (slave: number) => T): T | undefined {
  const slave = openSlaveOf(master);
  if (slave === undefined) return undefined;
  try {
    return use(slave);
  } finally {
    close(slave);
  }
}

/** What one of our own descriptors is open on. */
export function deviceFile(fd: number): DeviceFile {
  const { dev, ino, rdev } = Deno.statSync(`/proc/self/fd/${fd}`);
  return { dev, ino: ino ?? 0, rdev: rdev ?? 0 };
}
