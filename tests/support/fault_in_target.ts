/**
 * Loaded before src/main.ts: makes some of the calls fail that reptyr has made in a target's name. Such a call is not
 * made, just as the kernel does nothing when it refuses.
 */
import { ERRNO } from "../../src/ffi/errno.ts";
import { RemoteSyscalls } from "../../src/tracee/remote_syscalls.ts";

/** A reptyr looks for records of processes with its own name: this one is called deno otherwise. */
Deno.writeTextFileSync("/proc/self/comm", "reptyr");

const [call, error, first, last, log] = Deno.env.get("REPTYR_FAULT")!.split(" ");
const errno = BigInt(ERRNO[error as keyof typeof ERRNO]);
const original = RemoteSyscalls.prototype.call;
/** What these give back is gone also when they report an error: close(2), "Dealing with error returns". */
const RELEASING = new Set(["close", "close_range", "munmap"]);

let count = 0;

RemoteSyscalls.prototype.call = function* (name, ...args) {
  if (call !== "*" && !call!.split("|").includes(name)) {
    return yield* original.call(this, name, ...args);
  }
  count++;
  if (count < Number(first) || count > Number(last)) {
    return yield* original.call(this, name, ...args);
  }
  const line = `${count} ${name}(${args.join(", ")}) = -1 ${error} (INJECTED)\n`;
  Deno.writeTextFileSync(log!, line, { append: true });
  if (RELEASING.has(name)) yield* original.call(this, name, ...args);
  return -errno;
};
