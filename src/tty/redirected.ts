/**
 * Standard input and output that are no terminals: pipes, files, sockets, /dev/null. Never blocking, so that a reader
 * of ours that rests does not make us deaf to signals; and without setting O_NONBLOCK, which belongs to the open file
 * description that we share with others.
 */
import { SyscallError } from "../errors.ts";
import { O_CLOEXEC, O_NONBLOCK, O_RDONLY, O_WRONLY, POLLIN, POLLOUT } from "../ffi/constants.ts";
import { open, PollSet, read, write } from "../ffi/descriptor.ts";
import { ERRNO } from "../ffi/errno.ts";
import type { Transfer } from "./channel.ts";

/** A descriptor, and how to read or write it without blocking. */
export interface Stream {
  readonly fd: number;
  readonly transfer: Transfer;
}

/** `opened`: the descriptor is ours to close. */
type Redirected = Stream & { readonly opened: boolean };

/**
 * A pipe is opened once more, which gives a description of its own. Not so a FIFO: one that is opened behind its last
 * writer does not report its end to poll(2), fifo_open() in fs/pipe.c. A file would begin anew, and never blocks for
 * long; sockets cannot be opened.
 */
export function redirectedInput(stdin: number): Redirected {
  const pipe = openPipe(stdin, O_RDONLY);
  if (pipe !== undefined) return { fd: pipe, transfer: read, opened: true };
  return { fd: stdin, transfer: isFile(stdin) ? read : readWhenReady, opened: false };
}

/** {@linkcode redirectedInput} for what is written to. */
export function redirectedOutput(stdout: number): Redirected {
  const pipe = openPipe(stdout, O_WRONLY);
  if (pipe !== undefined) return { fd: pipe, transfer: write, opened: true };
  return { fd: stdout, transfer: isFile(stdout) ? write : writePageWhenReady, opened: false };
}

/** Undefined for what is no pipe, or one that is not ours to open: its mode is 0600. */
function openPipe(fd: number, access: number): number | undefined {
  if (!linkOf(fd).startsWith("pipe:")) return undefined;
  return tryOpen(`/proc/self/fd/${fd}`, access | O_NONBLOCK | O_CLOEXEC);
}

/**
 * Whether `fd` leads to another program, which may go away and does not come back: a pipe, a FIFO, a socket. A file or a
 * device may fail a write and take the next one.
 */
export function hasReader(fd: number): boolean {
  try {
    const { isFifo, isSocket } = Deno.statSync(`/proc/self/fd/${fd}`);
    return isFifo === true || isSocket === true;
  } catch {
    return false;
  }
}

function linkOf(fd: number): string {
  try {
    return Deno.readLinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return ""; // closed, and nothing else has its number
  }
}

function isFile(fd: number): boolean {
  try {
    const { isFile, isDirectory } = Deno.statSync(`/proc/self/fd/${fd}`);
    return isFile || isDirectory;
  } catch {
    return false;
  }
}

/** open(2); undefined where it fails. */
export function tryOpen(path: string, flags: number): number | undefined {
  try {
    return open(path, flags);
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}

/** Whether poll(2) reports `event`, an error or an end. */
export function isReady(fd: number, event: number): boolean {
  const set = new PollSet(1);
  set.watch(0, fd, event);
  return set.poll(0) > 0;
}

/** read(2) that is made only when it does not block. */
export function readWhenReady(fd: number, bytes: Uint8Array<ArrayBuffer>): number {
  return isReady(fd, POLLIN) ? read(fd, bytes) : -ERRNO.EAGAIN;
}

/** PIPE_BUF: what POLLOUT of a pipe promises room for, pipe(7), and that of a socket, too. */
const PAGE = 4096;

function writePageWhenReady(fd: number, bytes: Uint8Array<ArrayBuffer>): number {
  return isReady(fd, POLLOUT) ? write(fd, bytes.subarray(0, PAGE)) : -ERRNO.EAGAIN;
}
