/** File systems that a program or another machine serves: proc_pid_mountinfo(5). */
import { procFolder, readable, readProcText } from "./gone.ts";
import type { Mapping } from "./maps.ts";

/** Types of file systems whose server may not answer. */
const SERVED = /^(fuse|fuseblk|nfs4?|cifs|smb3|smbfs|9p|afs|ceph|coda|lustre|orangefs)(\.|$)/;

/** The mounts of one namespace, by their devices: `major:minor` in decimal. */
export interface Mounts {
  readonly devices: ReadonlySet<string>;
  /** The devices among them whose file system is served. */
  readonly served: ReadonlySet<string>;
  /** The ids of all mounts, and of the mounts of served file systems. */
  readonly ids: ReadonlySet<number>;
  readonly servedIds: ReadonlySet<number>;
}

/**
 * Each line is `id parent major:minor root point options tags - type source options`; a mount may have any number of tags.
 * The kernel writes spaces in paths as `\040`.
 */
export function parseMounts(text: string): Mounts {
  const devices = new Set<string>();
  const served = new Set<string>();
  const ids = new Set<number>();
  const servedIds = new Set<number>();
  for (const line of text.split("\n")) {
    const words = line.split(" ");
    const type = words[words.indexOf("-", 6) + 1];
    const device = words[2];
    if (device === undefined || type === undefined) continue;
    devices.add(device);
    ids.add(Number(words[0]));
    if (!SERVED.test(type)) continue;
    served.add(device);
    servedIds.add(Number(words[0]));
  }
  return { devices, served, ids, servedIds };
}

/** By the link of the namespace: all members of a job mostly have the same. */
const known = new Map<string, Mounts>();

/** The mounts that thread `tid` sees, as they were when first asked for; none where they cannot be read. */
export function readMounts(pid: number, tid: number): Mounts {
  const namespace = readable(() => Deno.readLinkSync(`${procFolder(pid, tid)}/ns/mnt`)) ?? "";
  const found = known.get(namespace) ??
    parseMounts(readable(() => readProcText(pid, tid, "mountinfo")) ?? "");
  if (namespace !== "") known.set(namespace, found);
  return found;
}

/**
 * Whether a page of the mapping that is not in memory may have to be asked for. A file system without a device of its own
 * that is mounted nowhere may be any.
 */
export function isServed({ dev, inode }: Mapping, { devices, served }: Mounts): boolean {
  if (inode === 0n) return false;
  const [major, minor] = dev.split(":").map((digits) => parseInt(digits, 16));
  const device = `${major}:${minor}`;
  return served.has(device) || major === 0 && !devices.has(device);
}
