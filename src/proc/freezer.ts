/**
 * Frozen processes. A cgroup can freeze all processes in it and in the cgroups below it: then no thread of them runs, and
 * a request to one has no effect before it is thawed. cgroups(7); cgroup-v2.rst, "cgroup.freeze", and
 * cgroup-v1/freezer-subsystem.rst in Documentation/admin-guide of the kernel.
 */
import { readable, readProcText } from "./gone.ts";

/** Where a hierarchy that can freeze is mounted. */
export interface FreezerMount {
  readonly version: 1 | 2;
  /** The cgroup that `folder` shows. */
  readonly root: string;
  readonly folder: string;
}

/** A cgroup that can hold a process still. */
export interface Freezer {
  readonly version: 1 | 2;
  /** Its name in its hierarchy, and where its files are. */
  readonly path: string;
  readonly folder: string;
}

/** The mounts of such hierarchies, from /proc/self/mountinfo: proc_pid_mountinfo(5). */
export function freezerMounts(mountinfo: string): FreezerMount[] {
  return mountinfo.split("\n").flatMap((line): FreezerMount[] => {
    const [mount = "", more = ""] = line.split(" - ");
    const [, , , root, folder] = mount.split(" ").map(unescaped);
    const [type, , options] = more.split(" ");
    if (root === undefined || folder === undefined) return [];
    if (type === "cgroup2") return [{ version: 2, root, folder }];
    const isV1 = type === "cgroup" && options?.split(",").includes("freezer");
    return isV1 ? [{ version: 1, root, folder }] : [];
  });
}

/** Spaces and the like stand there as `\040`. */
function unescaped(word: string): string {
  return word.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(parseInt(digits, 8)));
}

/**
 * The cgroups that can hold a process of which `cgroup` is the text of /proc/PID/cgroup, the innermost of each hierarchy
 * first. What is above the root of a mount, or of our cgroup namespace, cannot be seen.
 */
export function freezersIn(cgroup: string, mounts: readonly FreezerMount[]): Freezer[] {
  return cgroup.split("\n").flatMap((line) => {
    const [, controllers, path] = line.match(/^\d+:([^:]*):(\/.*)$/) ?? [];
    if (controllers === undefined || path === undefined) return [];
    if (path.split("/").includes("..")) return [];
    const version = controllers === "" ? 2 : 1;
    if (version === 1 && !controllers.split(",").includes("freezer")) return [];
    for (const mount of mounts) {
      const below = mount.version === version ? pathBelow(path, mount.root) : undefined;
      if (below !== undefined) return upwards(below, mount);
    }
    return [];
  });
}

/** `path` as seen from `root`, without a slash at its end: empty for the root itself. */
function pathBelow(path: string, root: string): string | undefined {
  const start = root === "/" ? "" : root;
  const trimmed = path === "/" ? "" : path;
  if (trimmed === start) return "";
  return trimmed.startsWith(`${start}/`) ? trimmed.slice(start.length) : undefined;
}

function upwards(below: string, { version, root, folder }: FreezerMount): Freezer[] {
  const start = root === "/" ? "" : root;
  const found: Freezer[] = [];
  for (let at = below;; at = at.slice(0, at.lastIndexOf("/"))) {
    found.push({ version, path: `${start}${at}` || "/", folder: `${folder}${at}` });
    if (at === "") return found;
  }
}

let mounts: readonly FreezerMount[] | undefined;

/** {@linkcode freezersIn} of thread `tid` of process `pid`, the first unless another is named. */
export function readFreezers(pid: number, tid?: number): Freezer[] {
  const cgroup = readable(() => readProcText(pid, tid, "cgroup"));
  if (cgroup === undefined) return [];
  mounts ??= freezerMounts(readProcText(Deno.pid, undefined, "mountinfo") ?? "");
  return freezersIn(cgroup, mounts);
}

/**
 * Whether the cgroup is to freeze the processes in it. It does not matter whether each of them is frozen by now: a thread
 * that still runs does so in the kernel, and not for long.
 */
export function isFreezing({ version, folder }: Freezer): boolean {
  const file = version === 2 ? "cgroup.freeze" : "freezer.self_freezing";
  try {
    return Deno.readTextFileSync(`${folder}/${file}`).trim() === "1";
  } catch {
    // The root of a hierarchy cannot be frozen and has no such file, nor has one that was just removed.
    return false;
  }
}

/** The cgroup that holds the thread still; undefined when none does. */
export function readFrozen(pid: number, tid?: number): Freezer | undefined {
  return readFreezers(pid, tid).find(isFreezing);
}

/** Containers by the name of their cgroup, with what lets them go on; a cgroup that is below one belongs to it. */
const CONTAINERS: readonly (readonly [RegExp, string])[] = [
  [/\/docker[/-]([0-9a-f]{12})[0-9a-f]{52}(\.scope)?(\/|$)/, "docker unpause"],
  [/\/libpod-([0-9a-f]{12})[0-9a-f]{52}(\.scope)?(\/|$)/, "podman unpause"],
];

const UNIT = /\/([^/]+\.(service|scope|slice))$/;
const USER_MANAGER = /\/user@(\d+)\.service\//;

/** How a user `uid` thaws such a cgroup, as lines for the user. */
export function thawing({ version, path, folder }: Freezer, uid: number): string[] {
  const container = CONTAINERS.map(([name, command]) => {
    const id = path.match(name)?.[1];
    return id === undefined ? undefined : `${command} ${id}`;
  }).find((command) => command !== undefined);
  const unit = path.match(UNIT)?.[1];
  if (container !== undefined) return [`To let it go on, run: ${container}`];
  const sudo = uid === 0 ? "" : "sudo ";
  const [value, name] = version === 2 ? ["0", "cgroup.freeze"] : ["THAWED", "freezer.state"];
  const file = quoted(`${folder}/${name}`);
  const byHand = uid === 0 ? `echo ${value} > ${file}` : `echo ${value} | sudo tee ${file}`;
  if (unit === undefined || version === 1) return [`To thaw it, run: ${byHand}`];
  const owner = path.match(USER_MANAGER)?.[1];
  const systemctl = owner === undefined
    ? `${sudo}systemctl`
    : Number(owner) === uid
    ? "systemctl --user"
    : `${sudo}systemctl --user --machine=${owner}@`;
  return [
    `To thaw it, run: ${systemctl} thaw ${quoted(unit)}`,
    `Or, where systemd did not freeze it: ${byHand}`,
  ];
}

/** A word for the shell: the maker of a cgroup chooses its name. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
