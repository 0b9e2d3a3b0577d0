/**
 * What a reptyr that serves a job tells the next one, which moves that job on: only the first knows what it has
 * changed for as long as it serves, and which groups it passes signals on to. Pure.
 *
 * A record is a claim of the process that holds it. What may be done on its word is decided in authority.ts.
 */
import { ARCHITECTURES } from "../../arch/mod.ts";
import type { ProcessIdentity } from "../../proc/process_identity.ts";

/** A process group, with its session: the number may be used again elsewhere. */
export interface RelayedGroup {
  readonly session: number;
  readonly pgrp: number;
}

/** A SIGHUP that is ignored as long as `shell` lives. */
export interface ShieldRecord {
  readonly process: ProcessIdentity;
  readonly shell: ProcessIdentity;
  /** The `struct sigaction` to put back, as hexadecimal digits; and the program image that it belongs to. */
  readonly action: string;
  readonly image: string;
}

export interface JobRecord {
  readonly target: ProcessIdentity;
  /** The shell that has the target as a job. */
  readonly shell?: ProcessIdentity;
  /** The relayed groups; undefined until they are known. */
  readonly groups?: readonly RelayedGroup[];
  /** The processes that moved with the target; undefined until they have. */
  readonly members?: readonly ProcessIdentity[];
  /** Those that were near, and stayed: bystandersOf() in job_members.ts. */
  readonly bystanders?: readonly ProcessIdentity[];
  readonly shields: readonly ShieldRecord[];
}

/** No record has more bytes. */
export const MAX_RECORD_SIZE = 3 << 15;

const MAX_GROUPS = 64;
const MAX_MEMBERS = 256;
const MAX_BYSTANDERS = 64;
const MAX_SHIELDS = 256;

/** PID_MAX_LIMIT in <linux/threads.h>. */
const MAX_PID = 1 << 22;

/** `struct sigaction` of each kind of program, and the digest of an auxiliary vector: sighup_shield.ts. */
const ACTION_DIGITS = ARCHITECTURES.map(({ structs }) => 2 * structs.sigaction.size);
const IMAGE_DIGITS = 16;

/**
 * As one line of JSON. Start times are decimal numbers in a string: they may exceed what JSON's numbers hold. What is
 * beyond that which a record can have is left out.
 */
export function formatRecord(
  { target, shell, groups, members, bystanders, shields }: JobRecord,
): string {
  const asJson = ({ pid, startTime }: ProcessIdentity) => ({
    pid,
    startTime: startTime.toString(),
  });
  return JSON.stringify({
    target: asJson(target),
    ...shell === undefined ? {} : { shell: asJson(shell) },
    ...groups === undefined ? {} : {
      groups: groups.slice(0, MAX_GROUPS).map(({ session, pgrp }) => ({ session, pgrp })),
    },
    ...members === undefined ? {} : { members: members.slice(0, MAX_MEMBERS).map(asJson) },
    ...bystanders === undefined ? {} : {
      bystanders: bystanders.slice(0, MAX_BYSTANDERS).map(asJson),
    },
    shields: shields.slice(0, MAX_SHIELDS).map(({ process, shell, action, image }) => ({
      process: asJson(process),
      shell: asJson(shell),
      action,
      image,
    })),
  });
}

/**
 * Undefined when the text is no record, such as that of another version. Whatever {@linkcode formatRecord} would not have
 * written just so is none.
 */
export function parseRecord(text: string): JobRecord | undefined {
  if (text.length > MAX_RECORD_SIZE) return undefined;
  try {
    const { target, shell, groups, members, bystanders, shields } = object(JSON.parse(text));
    const record: JobRecord = {
      target: parseName(target),
      ...shell === undefined ? {} : { shell: parseName(shell) },
      ...groups === undefined ? {} : { groups: list(groups, MAX_GROUPS).map(parseGroup) },
      ...members === undefined ? {} : { members: list(members, MAX_MEMBERS).map(parseName) },
      ...bystanders === undefined
        ? {}
        : { bystanders: list(bystanders, MAX_BYSTANDERS).map(parseName) },
      shields: list(shields, MAX_SHIELDS).map(parseShield),
    };
    return formatRecord(record) === text ? record : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** A session that is outside of our PID namespace has the number 0. No group has: that would be every group there. */
function parseGroup(value: unknown): RelayedGroup {
  const { session, pgrp } = object(value);
  return { session: integer(session, 0), pgrp: integer(pgrp, 1) };
}

function parseShield(value: unknown): ShieldRecord {
  const { process, shell, action, image } = object(value);
  return {
    process: parseName(process),
    shell: parseName(shell),
    action: digits(action, ACTION_DIGITS),
    image: digits(image, [IMAGE_DIGITS]),
  };
}

function parseName(value: unknown): ProcessIdentity {
  const { pid, startTime } = object(value);
  if (typeof startTime !== "string" || !/^\d{1,20}$/.test(startTime)) {
    throw new SyntaxError("No start time");
  }
  return { pid: integer(pid, 1), startTime: BigInt(startTime) };
}

function object(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null) return { ...value };
  throw new SyntaxError("No object");
}

function list(value: unknown, longest: number): readonly unknown[] {
  if (Array.isArray(value) && value.length <= longest) return value;
  throw new SyntaxError("No array, or too long a one");
}

function integer(value: unknown, least: number): number {
  if (Number.isInteger(value) && Number(value) >= least && Number(value) <= MAX_PID) {
    return Number(value);
  }
  throw new SyntaxError("No PID");
}

function digits(value: unknown, lengths: readonly number[]): string {
  if (typeof value === "string" && lengths.includes(value.length) && /^[0-9a-f]*$/.test(value)) {
    return value;
  }
  throw new SyntaxError("No bytes");
}
