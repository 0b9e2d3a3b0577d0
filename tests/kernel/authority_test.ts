/** What src/reptyr/gate/authority.ts says that a process may do, against what the kernel lets it do. */
import { assert, assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { SIGCONT } from "../../src/ffi/constants.ts";
import { readStat } from "../../src/proc/stat.ts";
import { readSurroundings, RecordHolder } from "../../src/reptyr/gate/record_holder.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { NOBODY } from "../support/input_run.ts";
import { publicVictim } from "../support/input_victims.ts";
import { requiresCompiler } from "../support/programs.ts";
import { Terminal } from "../support/terminal.ts";
import { untilBlocked } from "../support/victim.ts";

const OTHER = 1234;

/** `setpriv` to be a user, with further options. */
function as(uid: number, gid = uid, ...options: string[]): string[] {
  return ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", ...options];
}

function withCapability(name: string): string[] {
  return as(NOBODY, NOBODY, `--inh-caps=+${name}`, `--ambient-caps=+${name}`);
}

/** What is put before a program, by what it makes of it. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  "root": [],
  "root without CAP_SYS_PTRACE": ["setpriv", "--bounding-set=-sys_ptrace"],
  "root without CAP_KILL and CAP_SYS_PTRACE": ["setpriv", "--bounding-set=-kill,-sys_ptrace"],
  "a user": as(NOBODY),
  "another user": as(OTHER),
  "the user in another group": as(NOBODY, OTHER),
  "the user with CAP_KILL": withCapability("kill"),
  "the user with CAP_SYS_PTRACE": withCapability("sys_ptrace"),
  "a set-user-ID program of the user": ["setpriv", `--ruid=${OTHER}`, `--euid=${NOBODY}`],
  "a program of the user that is set-user-ID": ["setpriv", `--ruid=${NOBODY}`, `--euid=${OTHER}`],
  "a program of the user that is set-user-ID root": ["setpriv", `--ruid=${NOBODY}`, "--euid=0"],
  "a program of the user that is set-group-ID": [
    ...["setpriv", `--reuid=${NOBODY}`, "--clear-groups", `--rgid=${NOBODY}`, `--egid=${OTHER}`],
  ],
  "root in a user namespace": [...as(NOBODY), "unshare", "-Ur"],
  "the user in a user namespace": [...as(NOBODY), "unshare", "-U"],
  "another user's root in a user namespace": [...as(OTHER), "unshare", "-Ur"],
  "root itself in a user namespace": ["unshare", "-Ur"],
  "root in a user namespace of one": [...as(NOBODY), "unshare", "-Ur", "unshare", "-Ur"],
};

const asked = requiresCapability(["users", "userns", "ptrace"], requiresCompiler);

function start(prefix: readonly string[], ...args: string[]): Terminal {
  const terminal = Terminal.start([...prefix, publicVictim("authority"), ...args]);
  terminal.expect(`ready `);
  return terminal;
}

/** The kernel's answer: whether `command` succeeds for the process on `terminal`. */
function kernelSays(terminal: Terminal, command: string): boolean {
  terminal.line(command);
  return terminal.expect(new RegExp(`${command}: (\\d+)`))[1] === "0";
}

function identity(pid: number): { pid: number; startTime: bigint } {
  return { pid, startTime: readStat(pid)!.startTime };
}

describe("the authority of the process that holds a record", () => {
  afterEach(assertNoneLeft);

  for (const [holderKind, prefix] of Object.entries(KINDS)) {
    asked(`is what the kernel permits it: ${holderKind}`, () => {
      using holder = start(prefix);
      const authority = RecordHolder.read(holder.pid, readSurroundings());
      assert(authority !== undefined);
      for (const [targetKind, targetPrefix] of Object.entries(KINDS)) {
        for (const isDumpable of [true, false]) {
          using target = start(targetPrefix, ...isDumpable ? [] : ["nondumpable"]);
          untilBlocked(target.pid);
          const name = identity(target.pid);
          const what = `${holderKind} to ${targetKind}${isDumpable ? "" : ", not dumpable"}`;
          const signals = kernelSays(holder, `kill 0 ${target.pid}`);
          assertEquals(authority.maySignal(name), signals, `signal: ${what}`);
          const traces = kernelSays(holder, `trace ${target.pid}`);
          const mayTrace = authority.mayTrace(name);
          assert(!mayTrace || traces, `trace: ${what}: the kernel does not let it`);
          // Where what the kernel looks at does not show, the answer is no.
          if (traces && !mayTrace) assert(isUnknown(target.pid, isDumpable), `trace: ${what}`);
        }
      }
    });
  }

  asked("covers SIGCONT within its session, whatever the user of the other process", () => {
    const both = `${publicVictim("authority")} & exec setpriv ${as(OTHER).slice(1).join(" ")} ` +
      publicVictim("authority");
    using terminal = Terminal.start(["sh", "-c", both]);
    const pids = [1, 2].map(() => Number(terminal.expect(/ready (\d+)/)[1]));
    const [holder, target] = [terminal.pid, pids.find((pid) => pid !== terminal.pid)!];
    const authority = RecordHolder.read(holder, readSurroundings());
    assertEquals(authority?.maySignal(identity(target), SIGCONT), true);
    assertEquals(authority?.maySignal(identity(target)), false);
  });

  asked("is none for a process with the PID of the holder and another start time", () => {
    using holder = start([]);
    using target = start([]);
    const authority = RecordHolder.read(holder.pid, readSurroundings())!;
    const { pid, startTime } = identity(target.pid);
    assert(authority.mayTrace({ pid, startTime }) && authority.maySignal({ pid, startTime }));
    const stale = { pid, startTime: startTime - 1n };
    assert(!authority.mayTrace(stale) && !authority.maySignal(stale));
  });
});

/**
 * Whether /proc keeps from us what the kernel decides by: of which user namespace a program is that is not dumpable, and
 * whether a process of root is dumpable.
 */
function isUnknown(pid: number, isDumpable: boolean): boolean {
  const { uid, gid } = Deno.statSync(`/proc/${pid}/stat`);
  return !isDumpable || uid === 0 && gid === 0;
}
