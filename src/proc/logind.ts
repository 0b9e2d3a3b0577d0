/** What systemd-logind does with a session's processes at logout: logind.conf(5). */

/** The settings of section [Login] that decide it. */
export interface LogoutPolicy {
  /** Undefined when neither the files nor the defaults noted in them say. */
  readonly killUserProcesses: boolean | undefined;
  readonly killOnlyUsers: readonly string[];
  readonly killExcludeUsers: readonly string[];
}

/** In the order in which systemd takes them: the first folder that has a file of some name wins. */
const FOLDERS = ["/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd"];

/**
 * The policy from the texts of logind.conf and its drop-ins, in the order in which they are read: later ones
 * win. The shipped file names the defaults that systemd was compiled with in comments, `#KillUserProcesses=no`;
 * they differ between distributions, and stand nowhere else that can be read.
 */
export function parseLogoutPolicy(texts: readonly string[]): LogoutPolicy {
  let noted: boolean | undefined;
  let killUserProcesses: boolean | undefined;
  let killOnlyUsers: string[] = [];
  let killExcludeUsers: string[] = ["root"];
  for (const line of texts.flatMap((text) => text.split("\n"))) {
    const [, comment, key, value] = line.match(/^\s*(#?)\s*(Kill\w+)\s*=\s*(.*?)\s*$/) ?? [];
    if (value === undefined) continue;
    if (comment === "#") {
      if (key === "KillUserProcesses") noted = boolean(value) ?? noted;
    } else if (key === "KillUserProcesses") killUserProcesses = boolean(value) ?? killUserProcesses;
    else if (key === "KillOnlyUsers") killOnlyUsers = added(killOnlyUsers, value);
    else if (key === "KillExcludeUsers") killExcludeUsers = added(killExcludeUsers, value);
  }
  return { killUserProcesses: killUserProcesses ?? noted, killOnlyUsers, killExcludeUsers };
}

/** Whether what is left in a session of `user` is killed when it ends; undefined when that is not known. */
export function killsAtLogout(policy: LogoutPolicy, user: string | undefined): boolean | undefined {
  if (user !== undefined && policy.killExcludeUsers.includes(user)) return false;
  if (policy.killOnlyUsers.length === 0) return policy.killUserProcesses;
  return user === undefined ? undefined : policy.killOnlyUsers.includes(user);
}

/** The policy of this system. */
export function readLogoutPolicy(): LogoutPolicy {
  const main = FOLDERS.map((folder) => read(`${folder}/logind.conf`))
    .find((text) => text !== undefined);
  const dropIns = new Map<string, string>();
  for (const folder of FOLDERS) {
    for (const name of list(`${folder}/logind.conf.d`)) {
      if (name.endsWith(".conf") && !dropIns.has(name)) {
        dropIns.set(name, read(`${folder}/logind.conf.d/${name}`) ?? "");
      }
    }
  }
  const sorted = [...dropIns].sort(([a], [b]) => a < b ? -1 : 1).map(([, text]) => text);
  return parseLogoutPolicy([main ?? "", ...sorted]);
}

/** systemd's words for yes and no; undefined for any other, which it ignores. */
function boolean(word: string): boolean | undefined {
  if (/^(1|y|yes|t|true|on)$/i.test(word)) return true;
  return /^(0|n|no|f|false|off)$/i.test(word) ? false : undefined;
}

/** A list setting given again adds to itself; given empty, it begins anew. */
function added(names: readonly string[], value: string): string[] {
  return value === "" ? [] : [...names, ...value.split(/\s+/)];
}

/** A file that is missing, or that the system keeps from us, says nothing. */
function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}

function list(folder: string): string[] {
  try {
    return Array.from(Deno.readDirSync(folder), ({ name }) => name);
  } catch {
    return [];
  }
}
