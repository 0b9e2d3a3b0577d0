/** Names of users: passwd(5). */

import { unlessGone } from "./gone.ts";
import { printable } from "./printable.ts";

/** Names by user id. Of several names for one id the first counts, as for getpwuid(3). */
export function parsePasswd(text: string): Map<number, string> {
  const names = new Map<number, string>();
  for (const line of text.split("\n")) {
    const [name, , uid] = line.split(":");
    if (name === undefined || name === "" || uid === undefined || !/^\d+$/.test(uid)) continue;
    if (!names.has(Number(uid))) names.set(Number(uid), printable(name));
  }
  return names;
}

/** The users of /etc/passwd. Those that only a directory service knows are not among them. */
export function readUsers(): Map<number, string> {
  return parsePasswd(unlessGone(() => Deno.readTextFileSync("/etc/passwd")) ?? "");
}
