/** /proc/PID/attr/current: how a security module labels a process, proc_pid_attr(5). */
import { printable } from "./printable.ts";

/** Undefined without such a module, and where the kernel does not tell. */
export function readLabel(pid: number): string | undefined {
  let label: string | undefined;
  try {
    label = Deno.readTextFileSync(`/proc/${pid}/attr/current`).replace(/[\n\0]+$/, "");
  } catch {
    // Without a security module the file cannot be read (EINVAL); with one, nothing depends on it alone.
  }
  return label === undefined || label === "" ? undefined : printable(label);
}
