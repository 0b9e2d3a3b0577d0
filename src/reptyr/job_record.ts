/**
 * What a reptyr that serves a job tells the next one, which moves that job on: only the first knows what it has
 * changed for as long as it serves, and whom it counts as a helper. Pure.
 */

/** A process group, with its session: the number may be used again elsewhere. */
export interface HelperGroup {
  readonly session: number;
  readonly pgrp: number;
}

/** A process, by a name that is never another's: see `Stat.startTime`. */
export interface ProcessName {
  readonly pid: number;
  readonly startTime: bigint;
}

/** A SIGHUP that is ignored as long as `shell` lives. */
export interface ShieldRecord {
  readonly process: ProcessName;
  readonly shell: ProcessName;
  /** The `struct sigaction` to put back, as hexadecimal digits; and the program image that it belongs to. */
  readonly action: string;
  readonly image: string;
}

export interface JobRecord {
  readonly target: number;
  /** The shell that has the target as a job. */
  readonly shell?: ProcessName;
  /** Those of the helpers; undefined until they are known. */
  readonly groups?: readonly HelperGroup[];
  readonly shields: readonly ShieldRecord[];
}

/** As one line of JSON. Start times are decimal numbers in a string: they may exceed what JSON's numbers hold. */
export function formatRecord(record: JobRecord): string {
  return JSON.stringify(
    record,
    (_, value) => typeof value === "bigint" ? value.toString() : value,
  );
}

/** Undefined when the text is no record, such as that of another version, or one that is being written. */
export function parseRecord(text: string): JobRecord | undefined {
  try {
    const { target, shell, groups, shields } = object(JSON.parse(text));
    return {
      target: integer(target),
      ...shell === undefined ? {} : { shell: parseName(shell) },
      ...groups === undefined ? {} : { groups: list(groups).map(parseGroup) },
      shields: list(shields).map(parseShield),
    };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function parseGroup(value: unknown): HelperGroup {
  const { session, pgrp } = object(value);
  return { session: integer(session), pgrp: integer(pgrp) };
}

function parseShield(value: unknown): ShieldRecord {
  const { process, shell, action, image } = object(value);
  return {
    process: parseName(process),
    shell: parseName(shell),
    action: matching(action, /^([0-9a-f]{2})+$/),
    image: matching(image, /^[0-9a-f]*$/),
  };
}

function parseName(value: unknown): ProcessName {
  const { pid, startTime } = object(value);
  return { pid: integer(pid), startTime: BigInt(matching(startTime, /^\d+$/)) };
}

function object(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null) return { ...value };
  throw new SyntaxError("No object");
}

function list(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new SyntaxError("No array");
}

function integer(value: unknown): number {
  if (typeof value === "number" && Number.isSafeInteger(value)) return value;
  throw new SyntaxError("No integer");
}

function matching(value: unknown, pattern: RegExp): string {
  if (typeof value === "string" && pattern.test(value)) return value;
  throw new SyntaxError(`Not ${pattern}`);
}
