/**
 * A tracee's memory, by process_vm_readv(2) and process_vm_writev(2), or by /proc/PID/mem where these fail, as they do
 * in a kernel without them or under a container's seccomp filter. `pid` may be any thread that has
 * not exited; a first thread that has exited leads to no memory, though the other threads still use it.
 */
import type { RemoteAddressArgument } from "../brands.ts";
import { TraceeDiedError } from "../errors.ts";
import { ERRNO } from "../ffi/errno.ts";
import { libc } from "../ffi/libc.ts";
import { addressOf } from "../ffi/memory.ts";
import { orThrow, raw } from "../ffi/raw.ts";
import { iovec } from "../ffi/structs.ts";
import { Struct } from "../struct.ts";

type Transfer = "process_vm_readv" | "process_vm_writev";

/** One pair for all transfers, which are made while a tracee is stopped. They hold nothing from one to the next. */
const LOCAL = new Struct(iovec);
const REMOTE = new Struct(iovec);

/** One contiguous transfer; how many bytes went, less than asked where a page is not accessible. */
function transfer(
  call: Transfer,
  pid: number,
  address: RemoteAddressArgument,
  bytes: Uint8Array<ArrayBuffer>,
): number {
  const length = BigInt(bytes.length);
  LOCAL.set("iov_base", addressOf(bytes)).set("iov_len", length);
  REMOTE.set("iov_base", address).set("iov_len", length);
  const done = raw(
    libc()[call](pid, LOCAL.bytes, 1n, REMOTE.bytes, 1n, 0n),
    call,
    pid,
    LOCAL.bytes,
    1,
    REMOTE.bytes,
    1,
    0,
  );
  if (done === -ERRNO.ESRCH) throw new TraceeDiedError(pid);
  if (done < 0) {
    const count = transferThroughFile(call, pid, address, bytes);
    if (count > 0) return count;
  }
  return orThrow(done, `${call}(${pid}, 0x${address.toString(16)})`);
}

/** The same through proc_pid_mem(5), which asks for no more than ptrace(2) does; 0 where it fails, too. */
function transferThroughFile(
  call: Transfer,
  pid: number,
  address: RemoteAddressArgument,
  bytes: Uint8Array<ArrayBuffer>,
): number {
  const reading = call === "process_vm_readv";
  try {
    using file = Deno.openSync(`/proc/${pid}/mem`, { read: reading, write: !reading });
    file.seekSync(address, Deno.SeekMode.Start);
    return (reading ? file.readSync(bytes) : file.writeSync(bytes)) ?? 0;
  } catch {
    return 0; // the first failure is told
  }
}

function transferAll(
  call: Transfer,
  pid: number,
  address: RemoteAddressArgument,
  bytes: Uint8Array<ArrayBuffer>,
): void {
  for (let done = 0; done < bytes.length;) {
    done += transfer(call, pid, address + BigInt(done), bytes.subarray(done));
  }
}

/** `length` bytes at `address`. Throws SyscallError (EFAULT) unless all of them can be read. */
export function readMemory(
  pid: number,
  address: RemoteAddressArgument,
  length: number,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  transferAll("process_vm_readv", pid, address, bytes);
  return bytes;
}

/** Up to `length` bytes at `address`: none where the memory cannot be read. */
export function readMemoryUpTo(
  pid: number,
  address: RemoteAddressArgument,
  length: number,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  try {
    return bytes.subarray(0, transfer("process_vm_readv", pid, address, bytes));
  } catch (error) {
    if (error instanceof TraceeDiedError) throw error;
    return bytes.subarray(0, 0);
  }
}

/** Write `bytes` at `address`. Throws SyscallError (EFAULT) unless all of them can be written. */
export function writeMemory(
  pid: number,
  address: RemoteAddressArgument,
  bytes: Uint8Array<ArrayBuffer>,
): void {
  transferAll("process_vm_writev", pid, address, bytes);
}
