/** Which descriptors are watched. Pure. */
import { type Device, isDevTty } from "../proc/device.ts";
import type { DescriptorChoice, Stream } from "./engine.ts";

/** What tells one open file from another: stat(2) of it. */
export interface FileIdentity {
  readonly dev: number;
  readonly ino: number;
  /** For a character device; undefined for every other file. */
  readonly device: Device | undefined;
  /** Text of the link in /proc/PID/fd. */
  readonly link: string;
}

/**
 * The file that descriptors are compared by. /dev/tty is its opener's controlling terminal, `terminal`, by another name.
 * Undefined for what is no file of its own: all eventfds, epoll instances and the like share one inode.
 */
export function fileKey(
  { dev, ino, device, link }: FileIdentity,
  terminal: Device | undefined,
): string | undefined {
  if (link.startsWith("anon_inode:")) return undefined;
  if (device === undefined) return `file ${dev}:${ino}`;
  const shown = isDevTty(device) && terminal !== undefined ? terminal : device;
  return `device ${shown.major}:${shown.minor}`;
}

/** What has to be asked of the process, at most once for each descriptor. */
export interface DescriptorFacts {
  /** Whether both are the same open file description: dup(2). Undefined when the kernel does not tell. */
  readonly isSameDescription: (fd: number, other: number) => boolean | undefined;
  /** {@linkcode fileKey}; undefined when it is not open. */
  readonly fileKey: (fd: number) => string | undefined;
  /** Undefined where nobody was given any outputs by us. */
  readonly outputSink?: SinkFacts | undefined;
}

export interface SinkFacts {
  /** Whether what 1 and 2 become is watched, too: in the command itself, and with --follow in its children. */
  readonly isCommand: boolean;
  /** The output that `fd` is the very open file description of. */
  readonly sameAs: (fd: number) => 1 | 2 | undefined;
  /** The file of both, in case it was opened once more: /dev/stderr. */
  readonly fileKeys: readonly (string | undefined)[];
}

/** Which output a write to `fd` belongs to; undefined when it is not watched. */
export function streamOf(
  fd: number,
  choice: DescriptorChoice,
  facts: DescriptorFacts,
): Stream | undefined {
  if (choice.numbers !== undefined) {
    return choice.numbers.has(fd) ? fd === 2 ? 2 : 1 : undefined;
  }
  if (facts.outputSink !== undefined) {
    const { isCommand, sameAs, fileKeys } = facts.outputSink;
    const same = sameAs(fd);
    if (same !== undefined) return same;
    const key = facts.fileKey(fd);
    if (key !== undefined && fileKeys.includes(key)) return fd === 2 ? 2 : 1;
    if (!isCommand) return undefined;
  }
  if (fd === 1 || fd === 2) return fd;
  for (const standard of [1, 2] as const) {
    if (facts.isSameDescription(fd, standard) === true) return standard;
  }
  const key = facts.fileKey(fd);
  if (key === undefined) return undefined;
  return ([1, 2] as const).find((standard) => facts.fileKey(standard) === key);
}
