/** User namespaces: user_namespaces(7), ioctl_ns(2). */
import { NS_GET_OWNER_UID, NS_GET_PARENT, O_CLOEXEC, O_RDONLY } from "../ffi/constants.ts";
import { close, ioctl, ioctlStruct, open } from "../ffi/descriptor.ts";
import { layout, Struct } from "../struct.ts";
import { procFolder, readable } from "./gone.ts";

const uidT = layout("uid_t", 4, { value: [0, "u32"] });

export interface UserNamespace {
  /** Text of the link in /proc/PID/ns: `user:[4026531837]`. */
  readonly name: string;
  /** The namespace that it was made in, with the effective user id of its maker; undefined for the first and for ours. */
  readonly parent: { readonly name: string; readonly owner: number } | undefined;
}

/** Name of the user namespace of a thread. Undefined when it is gone and where the kernel does not let us look. */
export function readUserNamespace(pid: number, tid?: number): string | undefined {
  return readable(() => Deno.readLinkSync(`${procFolder(pid, tid)}/ns/user`));
}

/** More are never nested: user_namespaces(7). */
const DEEPEST = 33;

/**
 * The user namespaces that a thread is in, its own first, up to ours: what is above that the kernel keeps from us. Empty
 * when the thread is gone and where the kernel does not let us look.
 */
export function readUserNamespaces(pid: number, tid?: number): UserNamespace[] {
  const name = readUserNamespace(pid, tid);
  if (name === undefined) return [];
  if (name === readUserNamespace(Deno.pid)) return [{ name, parent: undefined }];
  let fd: number;
  try {
    // A file of the kernel's own: no path of the process is walked.
    fd = open(`${procFolder(pid, tid)}/ns/user`, O_RDONLY | O_CLOEXEC);
  } catch {
    return [];
  }
  try {
    const all: UserNamespace[] = [];
    while (fd >= 0 && all.length < DEEPEST) {
      const above = ioctl(fd, NS_GET_PARENT);
      const own = nameOf(fd);
      const owner = ownerOf(fd);
      const parent = above < 0 || owner === undefined ? undefined : { name: nameOf(above), owner };
      all.push({ name: own, parent });
      close(fd);
      fd = above;
    }
    return all;
  } finally {
    if (fd >= 0) close(fd);
  }
}

function nameOf(fd: number): string {
  return Deno.readLinkSync(`/proc/self/fd/${fd}`);
}

/** As the user namespace that we are in numbers users. */
function ownerOf(fd: number): number | undefined {
  const uid = new Struct(uidT);
  return ioctlStruct(fd, NS_GET_OWNER_UID, uid) < 0 ? undefined : uid.get("value");
}
