/**
 * Which system call carries which bytes, and which changes what a descriptor is. Pure: the numbers are those of
 * src/arch, the arguments those of the manual pages.
 */
import { ARCHITECTURES, type WatchedCall } from "../arch/mod.ts";

export type Direction = "output" | "input";

/** Indexes into the arguments. */
export type Call =
  & { readonly name: string }
  & (
    /** `length` bytes at `address`. */
    | {
      readonly effect: "buffer";
      readonly direction: Direction;
      readonly fd: number;
      readonly address: number;
      readonly length: number;
      readonly flags?: number;
    }
    /** An array of `struct iovec` at `address`, `length` of them. */
    | {
      readonly effect: "vector";
      readonly direction: Direction;
      readonly fd: number;
      readonly address: number;
      readonly length: number;
    }
    /** One `struct msghdr`; its iovecs. */
    | {
      readonly effect: "message";
      readonly direction: Direction;
      readonly fd: number;
      readonly address: number;
      readonly flags?: number;
    }
    /** An array of `struct mmsghdr`; the result counts those of them that went, each has its length. */
    | {
      readonly effect: "messages";
      readonly direction: Direction;
      readonly fd: number;
      readonly address: number;
      readonly flags?: number;
    }
    /** From one descriptor to another. `offset` is an argument that may point to where in the source; its bytes. */
    | {
      readonly effect: "copy";
      readonly direction: "output";
      readonly fd: number;
      readonly source: number;
      readonly offset: number;
      readonly offsetBytes: 4 | 8;
    }
    /** Bytes that cannot be had. */
    | { readonly effect: "unseen"; readonly fd: number | undefined }
    /** The descriptor `fd` is another one afterwards, or none. */
    | { readonly effect: "change"; readonly fd: number }
    /** Those from argument 0 to argument 1 are. */
    | { readonly effect: "change range" }
    /** The thread may have descriptors of its own afterwards. */
    | { readonly effect: "unshare" }
    /** A new thread or process: the flags are argument 0, or what it points to. */
    | { readonly effect: "clone"; readonly flags: "argument" | "memory" }
    /** i386: argument 0 names the call, argument 1 points to its arguments. */
    | { readonly effect: "socketcall" }
  );

function transfer(
  name: string,
  effect: "buffer" | "vector",
  direction: Direction,
): Call {
  return { name, effect, direction, fd: 0, address: 1, length: 2 };
}

function sendMessage(name: "sendmsg" | "sendmmsg"): Call {
  const effect = name === "sendmsg" ? "message" : "messages";
  return { name, effect, direction: "output", fd: 0, address: 1 };
}

/** Of recv(2): with MSG_PEEK the bytes stay where they are, for the call that takes them. */
const RECEIVE_FLAGS = { recvfrom: 3, recvmsg: 2, recvmmsg: 3 } as const;

function receive(name: "recv" | "recvfrom"): Call {
  const flags = RECEIVE_FLAGS.recvfrom;
  return { name, effect: "buffer", direction: "input", fd: 0, address: 1, length: 2, flags };
}

function receiveMessage(name: "recvmsg" | "recvmmsg"): Call {
  const effect = name === "recvmsg" ? "message" : "messages";
  return { name, effect, direction: "input", fd: 0, address: 1, flags: RECEIVE_FLAGS[name] };
}

/** `longBytes` is the size of off_t where sendfile(2) has an off_t. */
function calls(longBytes: 4 | 8): Readonly<Record<WatchedCall, Call>> {
  const copy = (name: string, fd: number, source: number, offset: number, offsetBytes: 4 | 8) =>
    ({ name, effect: "copy", direction: "output", fd, source, offset, offsetBytes }) as const;
  return {
    write: transfer("write", "buffer", "output"),
    pwrite64: transfer("pwrite64", "buffer", "output"),
    sendto: transfer("sendto", "buffer", "output"),
    writev: transfer("writev", "vector", "output"),
    pwritev: transfer("pwritev", "vector", "output"),
    pwritev2: transfer("pwritev2", "vector", "output"),
    vmsplice: transfer("vmsplice", "vector", "output"),
    sendmsg: sendMessage("sendmsg"),
    sendmmsg: sendMessage("sendmmsg"),
    read: transfer("read", "buffer", "input"),
    pread64: transfer("pread64", "buffer", "input"),
    recvfrom: receive("recvfrom"),
    readv: transfer("readv", "vector", "input"),
    preadv: transfer("preadv", "vector", "input"),
    preadv2: transfer("preadv2", "vector", "input"),
    recvmsg: receiveMessage("recvmsg"),
    recvmmsg: receiveMessage("recvmmsg"),
    recvmmsg_time64: receiveMessage("recvmmsg"),
    sendfile: copy("sendfile", 0, 1, 2, longBytes),
    sendfile64: copy("sendfile", 0, 1, 2, 8),
    splice: copy("splice", 2, 0, 1, 8),
    copy_file_range: copy("copy_file_range", 2, 0, 1, 8),
    tee: { name: "tee", effect: "unseen", fd: 1 },
    // Which descriptors its requests name stands in memory that the program shares with the kernel.
    io_uring_enter: { name: "io_uring", effect: "unseen", fd: undefined },
    close: { name: "close", effect: "change", fd: 0 },
    dup2: { name: "dup2", effect: "change", fd: 1 },
    dup3: { name: "dup3", effect: "change", fd: 1 },
    close_range: { name: "close_range", effect: "change range" },
    unshare: { name: "unshare", effect: "unshare" },
    clone: { name: "clone", effect: "clone", flags: "argument" },
    clone3: { name: "clone3", effect: "clone", flags: "memory" },
    socketcall: { name: "socketcall", effect: "socketcall" },
  };
}

/** The calls of socketcall(2) that carry bytes, by SYS_* of <linux/net.h>. The arguments are those of the calls themselves. */
const SOCKETCALLS: Readonly<Record<number, Call>> = {
  9: transfer("send", "buffer", "output"),
  10: receive("recv"),
  11: transfer("sendto", "buffer", "output"),
  12: receive("recvfrom"),
  16: sendMessage("sendmsg"),
  17: receiveMessage("recvmsg"),
  19: receiveMessage("recvmmsg"),
  20: sendMessage("sendmmsg"),
};

/** Bytes of the arguments that matter: recvmsg(2) and sendmsg(2) have three, all others more, which may be all there is. */
export function socketcallBytes({ effect }: Call): 12 | 16 {
  return effect === "message" ? 12 : 16;
}

/** The call that socketcall(2) makes for `number`; undefined for one that carries no bytes. */
export function socketcall(number: number): Call | undefined {
  return SOCKETCALLS[number];
}

/** What one architecture's calls do, and how its structures lie in memory. */
export interface CallTable {
  /** By the number of the call. */
  readonly calls: readonly (Call | undefined)[];
  /** Bytes of a pointer and of a `size_t`. */
  readonly wordBytes: 4 | 8;
}

const TABLES: ReadonlyMap<number, CallTable> = new Map(ARCHITECTURES.map((arch) => {
  const wordBytes = arch.addressBits === 32 ? 4 : 8;
  const byName = calls(wordBytes);
  const table: (Call | undefined)[] = [];
  for (const [name, number] of Object.entries(arch.watchedCalls) as [WatchedCall, number][]) {
    while (table.length <= number) table.push(undefined);
    table[number] = byName[name];
  }
  return [arch.auditArch, { calls: table, wordBytes }];
}));

/** The table for an AUDIT_ARCH_* number; undefined for an architecture that is not known here. */
export function callTable(auditArch: number): CallTable | undefined {
  return TABLES.get(auditArch);
}

/** Where in a `struct msghdr` its iovecs are named, in bytes, and how long it and a `struct mmsghdr` are. */
export const MESSAGE_LAYOUT = {
  4: { iov: 8, iovlen: 12, mmsgLen: 28, mmsgSize: 32 },
  8: { iov: 16, iovlen: 24, mmsgLen: 56, mmsgSize: 64 },
} as const;
