/** Device numbers and the terminals they stand for: makedev(3), Documentation/admin-guide/devices.txt. */

export interface Device {
  readonly major: number;
  readonly minor: number;
}

/**
 * Device number as user space sees it: `st_dev` and `st_rdev` of stat(2), and field 7 of
 * /proc/PID/stat, which is a signed 32-bit number. Linux has 12 bits of major and 20 of minor, so the
 * kernel's new_encode_dev() and glibc's 64-bit makedev() agree in the low 32 bits.
 */
export function decodeDevice(dev: number): Device {
  return { major: (dev >>> 8) & 0xfff, minor: (dev & 0xff) | ((dev >>> 12) & 0xfff00) };
}

/** The inverse of `decodeDevice()`, unsigned. */
export function encodeDevice({ major, minor }: Device): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

/**
 * Device number as it is inside the kernel, MKDEV(): 12 bits of major above 20 of minor. The `sdev` of
 * an epoll entry in fdinfo is printed so; compare it with `st_dev` only after decoding both.
 */
export function decodeKernelDevice(dev: number): Device {
  return { major: dev >>> 20, minor: dev & 0xfffff };
}

const UNIX98_PTY_SLAVE_MAJOR = 136;
const UNIX98_PTY_MAJOR_COUNT = 8;
/** Device number of /dev/pts/N. */
export function ptsDevice(index: number): Device {
  return { major: UNIX98_PTY_SLAVE_MAJOR + (index >>> 8), minor: index & 0xff };
}

/** The inverse of `ptsDevice()`; undefined for a device that is no slave of a Unix98 pty. */
export function ptsIndex({ major, minor }: Device): number | undefined {
  return isUnix98Slave(major) ? (major - UNIX98_PTY_SLAVE_MAJOR) * 256 + minor : undefined;
}

const PTY_SLAVE_MAJOR = 3; // BSD pseudo-terminals, /dev/ttyp0
const TTY_MAJOR = 4; // virtual consoles, and from minor 64 serial lines
const TTYAUX_MAJOR = 5;

/** Majors all of whose minors are terminals, with their names in /dev. */
const SERIAL_NAMES: ReadonlyMap<number, string> = new Map([
  [166, "ttyACM"],
  [188, "ttyUSB"],
  [216, "rfcomm"],
  [229, "hvc"],
]);
const LOW_DENSITY_SERIAL_MAJOR = 204; // ttyAMA, ttyLP, ttySC ..., by minor

/** Whether the device is /dev/tty: the controlling terminal of the process that opens it. */
export function isDevTty({ major, minor }: Device): boolean {
  return major === TTYAUX_MAJOR && minor === 0;
}

/** Whether the device is a multiplexer that makes new pty masters, /dev/ptmx. */
export function isPtmx({ major, minor }: Device): boolean {
  return major === TTYAUX_MAJOR && minor === 2;
}

/** Whether a character device with this number is a terminal (never a pty master). */
export function isTerminal(device: Device): boolean {
  const { major, minor } = device;
  return isUnix98Slave(major) || major === TTY_MAJOR || major === PTY_SLAVE_MAJOR ||
    (major === TTYAUX_MAJOR && (minor === 0 || minor === 1)) || SERIAL_NAMES.has(major) ||
    major === LOW_DENSITY_SERIAL_MAJOR;
}

/** Name below /dev of a terminal: `pts/3`, `tty1`, `ttyS0`; `tty 204:64` when it has no fixed one. */
export function terminalName({ major, minor }: Device): string {
  if (isUnix98Slave(major)) return `pts/${(major - UNIX98_PTY_SLAVE_MAJOR) * 256 + minor}`;
  if (major === TTY_MAJOR) return minor < 64 ? `tty${minor}` : `ttyS${minor - 64}`;
  if (major === TTYAUX_MAJOR && minor === 0) return "tty";
  if (major === TTYAUX_MAJOR && minor === 1) return "console";
  if (major === TTYAUX_MAJOR && minor === 2) return "ptmx";
  if (major === PTY_SLAVE_MAJOR && minor < 256) {
    return `tty${"pqrstuvwxyzabcde"[minor >>> 4]}${(minor & 0xf).toString(16)}`;
  }
  const serial = SERIAL_NAMES.get(major);
  return serial === undefined ? `tty ${major}:${minor}` : `${serial}${minor}`;
}

function isUnix98Slave(major: number): boolean {
  return major >= UNIX98_PTY_SLAVE_MAJOR && major < UNIX98_PTY_SLAVE_MAJOR + UNIX98_PTY_MAJOR_COUNT;
}
