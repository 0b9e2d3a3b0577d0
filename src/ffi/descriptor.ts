/** Calls on descriptors of our own. All return raw values (see `raw.ts`) unless they say otherwise. */
import type { FdArgument } from "../brands.ts";
import {
  AT_FDCWD,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  O_CLOEXEC,
  O_CREAT,
  O_NONBLOCK,
  SEEK_CUR,
} from "./constants.ts";
import { ERRNO } from "./errno.ts";
import { libc } from "./libc.ts";
import { cString } from "./memory.ts";
import { orThrow, raw } from "./raw.ts";
import { type Layout, type Scalar, Struct } from "../struct.ts";
import { pollfd } from "./structs.ts";

/** open(2) without O_CREAT. Throws SyscallError. */
export function open(path: string, flags: number): number {
  const name = cString(path);
  return orThrow(
    raw(libc().openat(AT_FDCWD, name, flags), "openat", AT_FDCWD, name, flags),
    `open(${path})`,
  );
}

/** memfd_create(2): a file of memory alone, close-on-exec, which can be sealed; `name` is for /proc only. */
export function memfdCreate(name: string): number {
  const bytes = cString(name);
  const flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  return raw(libc().memfd_create(bytes, flags), "memfd_create", bytes, flags);
}

/** dup3(2): `target`, close-on-exec, becomes what `fd` is, whatever it was. */
export function replace(target: FdArgument, fd: FdArgument): number {
  return raw(libc().dup3(fd, target, O_CLOEXEC), "dup3", fd, target, O_CLOEXEC);
}

/** open(2) that makes the file, where there is none, with mode 0o666 less the umask. Throws SyscallError. */
export function create(path: string, flags: number): number {
  const name = cString(path);
  const all = flags | O_CREAT;
  return orThrow(
    raw(libc().openatMode(AT_FDCWD, name, all, 0o666), "openat", AT_FDCWD, name, all, 0o666),
    `open(${path})`,
  );
}

/** Make the named pipe `path`, for its owner only; whether it was made: mkfifo(3). */
export function makeFifo(path: string): boolean {
  return libc().mkfifo(cString(path), 0o600) === 0;
}

/** close(2). Its errors say nothing that a caller could act upon. */
export function close(fd: FdArgument): void {
  libc().close(fd);
}

/** read(2) into `bytes`: how many came, 0 at end of file, or a negated errno. */
export function read(fd: FdArgument, bytes: Uint8Array<ArrayBuffer>): number {
  return raw(libc().read(fd, bytes, BigInt(bytes.length)), "read", fd, bytes, bytes.length);
}

/** write(2) of `bytes`: how many went, or a negated errno. */
export function write(fd: FdArgument, bytes: Uint8Array<ArrayBuffer>): number {
  return raw(libc().write(fd, bytes, BigInt(bytes.length)), "write", fd, bytes, bytes.length);
}

/** pread(2) into `bytes` from byte `offset` of the file. */
export function pread(fd: FdArgument, bytes: Uint8Array<ArrayBuffer>, offset: number): number {
  return raw(
    libc().pread(fd, bytes, BigInt(bytes.length), BigInt(offset)),
    "pread64",
    fd,
    bytes,
    bytes.length,
    offset,
  );
}

/** Where the next read(2) or write(2) on the open file begins; `-ESPIPE` where there is no such thing. */
export function filePosition(fd: FdArgument): number {
  return raw(libc().lseek(fd, 0n, SEEK_CUR), "lseek", fd, 0, SEEK_CUR);
}

/** fcntl(2) with a number or nothing as its argument. */
export function fcntl(fd: FdArgument, op: number, arg = 0): number {
  return raw(libc().fcntl(fd, op, BigInt(arg)), "fcntl", fd, op, arg);
}

/** fchown(2). */
export function fchown(fd: FdArgument, owner: number, group: number): number {
  return raw(libc().fchown(fd, owner, group), "fchown", fd, owner, group);
}

/** ioctl(2) with a number as its argument. */
export function ioctl(fd: FdArgument, op: number, arg = 0): number {
  return raw(libc().ioctl(fd, BigInt(op), BigInt(arg)), "ioctl", fd, op, arg);
}

/** ioctl(2) with a structure as its argument. */
export function ioctlStruct<F extends Record<string, readonly [number, Scalar]>>(
  fd: FdArgument,
  op: number,
  struct: Struct<F>,
): number {
  return raw(libc().ioctlBuffer(fd, BigInt(op), struct.bytes), "ioctl", fd, op, struct.bytes);
}

/** A new zeroed structure filled by ioctl(2). Throws SyscallError naming `call`. */
export function ioctlGet<F extends Record<string, readonly [number, Scalar]>>(
  fd: FdArgument,
  op: number,
  layout: Layout<F>,
  call: string,
): Struct<F> {
  const struct = new Struct(layout);
  orThrow(ioctlStruct(fd, op, struct), call);
  return struct;
}

/** A pipe whose ends are nonblocking and close-on-exec. Throws SyscallError. */
export function pipe(): { readEnd: number; writeEnd: number } {
  const ends = new Int32Array(2);
  const bytes = new Uint8Array(ends.buffer);
  const flags = O_NONBLOCK | O_CLOEXEC;
  orThrow(
    raw(libc().pipe2(bytes, flags), "pipe2", bytes, flags),
    "pipe2(O_NONBLOCK | O_CLOEXEC)",
  );
  const [readEnd = -1, writeEnd = -1] = ends;
  return { readEnd, writeEnd };
}

/** In 32-bit words and 16-bit halves: where the fields of element `index` of `struct pollfd[]` are. */
const FD_WORD = pollfd.fields.fd[0] / 4;
const EVENTS_HALF = pollfd.fields.events[0] / 2;
const REVENTS_HALF = pollfd.fields.revents[0] / 2;
const POLLFD_WORDS = pollfd.size / 4;
const POLLFD_HALVES = pollfd.size / 2;

/**
 * A set of descriptors for poll(2), reused from call to call. On the way of every key that is typed, so the
 * structures are written through typed arrays.
 */
export class PollSet {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #words: Int32Array;
  readonly #halves: Int16Array;
  readonly #count: bigint;

  /** Room for `size` descriptors, none of them looked at until {@linkcode watch}. */
  constructor(size: number) {
    const buffer = new ArrayBuffer(size * pollfd.size);
    this.#bytes = new Uint8Array(buffer);
    this.#words = new Int32Array(buffer);
    this.#halves = new Int16Array(buffer);
    this.#count = BigInt(size);
    for (let index = 0; index < size; index++) this.watch(index, -1, 0);
  }

  /**
   * Look at `fd` for `events` in place `index`. With no events it is looked at for POLLERR and POLLHUP all the same,
   * which do not go away: -1 is passed over.
   */
  watch(index: number, fd: number, events: number): void {
    this.#words[index * POLLFD_WORDS + FD_WORD] = fd;
    this.#halves[index * POLLFD_HALVES + EVENTS_HALF] = events;
    this.#halves[index * POLLFD_HALVES + REVENTS_HALF] = 0;
  }

  /** What poll reported for place `index`: POLLIN, POLLHUP and so on. */
  reported(index: number): number {
    return this.#halves[index * POLLFD_HALVES + REVENTS_HALF] ?? 0;
  }

  /**
   * poll(2) on this thread: the number of ready descriptors, 0 after `timeoutMs`, or `-EINTR`. Its other errors
   * are mistakes in the arguments, so it need not be asked which one it was.
   */
  poll(timeoutMs: number): number {
    const ready = libc().poll(this.#bytes, this.#count, timeoutMs);
    return ready < 0 ? -ERRNO.EINTR : ready;
  }

  /** poll(2) on another thread, so that signal listeners run meanwhile. Never fails usefully. */
  pollAsync(timeoutMs: number): Promise<number> {
    return libc().pollAsync(this.#bytes, this.#count, timeoutMs);
  }
}
