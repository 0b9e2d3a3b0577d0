/**
 * Job records that are lies: root's reptyr does on the word of a process what that could do itself, and no more. What a
 * rightful record brings about: jobs_again_test.ts, steal_served_test.ts.
 */
import { assert, assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { SIGHUP, SIGTERM } from "../../src/ffi/constants.ts";
import { readMemfd } from "../../src/proc/memfd.ts";
import { readStats } from "../../src/proc/stats.ts";
import { hasSignal, readStatus } from "../../src/proc/status.ts";
import {
  MAX_RECORD_SIZE,
  parseRecord,
  type RelayedGroup,
  type ShieldRecord,
} from "../../src/reptyr/record/job_record.ts";
import { RECORD_NAME } from "../../src/reptyr/record/published_record.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { type ForgerOptions, identityOf, shieldOf, startForger } from "../support/forged_record.ts";
import { AS_NOBODY, isMoved, NOBODY, startOn, Untouched } from "../support/input_run.ts";
import { publicVictim } from "../support/input_victims.ts";
import { descendantsOf } from "../support/child.ts";
import { requiresCompiler } from "../support/programs.ts";
import { BASH, Stolen } from "../support/steal.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";
import { type ProcessIdentity } from "../../src/proc/process_identity.ts";
import { statOf } from "../support/jobs_moved.ts";

const asRoot = requiresCapability(["users", "memfd"], requiresCompiler);
const withNamespaces = requiresCapability(["users", "memfd", "userns"], requiresCompiler);

/** An emulator of nobody's with nobody's shell in it; root may take the terminal of that. */
class UsersTerminal implements Disposable {
  readonly window: Terminal;
  readonly shell: number;

  constructor() {
    const emulator = publicVictim("steal_emulator", ["-lutil"]);
    this.window = Terminal.start([...AS_NOBODY, emulator, "poll", ...BASH], { label: "window" });
    this.shell = Number(this.window.expect(/emulator \d+ runs (\d+)/)[1]);
    this.window.expect("$ ");
  }

  /** Start the record's lies, take the terminal, use it, and be ended: all that would be passed on is. */
  takeWhile({ groups, shields = [] }: Claims, how?: ForgerOptions): void {
    // A group is no proof: what is not named as a member is not touched anyway.
    const members = [
      ...readStats().filter((stat) =>
        groups.some(({ session, pgrp }) => stat.session === session && stat.pgrp === pgrp)
      ),
      ...shields.map(({ process }) => process),
    ];
    using _forger = startForger({ target: identityOf(this.shell), groups, members, shields }, how);
    using stolen = Stolen.from(this.shell);
    stolen.terminal.resize(31, 91);
    const device = /Serving (\S+)/.exec(stolen.terminal.output)![1]!;
    waitUntil("the new size", () => sizeOf(device) === "31 91");
    stolen.terminal.line("cat");
    waitUntil("cat", () => statOf(this.shell).tpgid !== this.shell);
    stolen.ask("hello", "hello\r\nhello\r\n");
    stolen.terminal.press("^C");
    waitUntil("the shell", () => statOf(this.shell).tpgid === this.shell);
    Deno.kill(stolen.pid, "SIGTERM");
    stolen.expectEnd(128 + SIGTERM);
  }

  [Symbol.dispose](): void {
    this.window[Symbol.dispose]();
  }
}

interface Claims {
  readonly groups: readonly RelayedGroup[];
  readonly shields?: readonly ShieldRecord[];
}

/** A program that says the signals that it is sent, or ends by them, and is on no terminal that is taken. */
function startBystander(prefix: readonly string[]): Terminal {
  const terminal = Terminal.start([...prefix, publicVictim("signals")], { label: "bystander" });
  terminal.expect("ready");
  return terminal;
}

/** One that ignores SIGHUP. */
function startShielded(prefix: readonly string[]): Terminal {
  const script = `trap '' HUP; exec "$0"`;
  return startBystander([...prefix, "sh", "-c", script]);
}

function groupOf(pid: number): RelayedGroup {
  const { session, pgrp } = statOf(pid);
  return { session, pgrp };
}

function sizeOf(device: string): string {
  const { stdout } = new Deno.Command("stty", { args: ["-F", device, "size"] }).outputSync();
  return new TextDecoder().decode(stdout).trim();
}

function ignoresHangup(pid: number): boolean {
  return hasSignal(readStatus(pid)?.sigIgnored ?? 0n, SIGHUP);
}

/** It still reads lines, and has said nothing but that it reads them. */
function assertUnsignalled(terminal: Terminal): void {
  terminal.line("are you there");
  terminal.expect("line: are you there");
  assert(!terminal.output.includes("signal "), terminal.output);
}

describe("a forged job record, which root's reptyr -T uses with no more than its holder's authority", () => {
  afterEach(assertNoneLeft);

  asRoot("does not signal or change a process of root", () => {
    using bystander = startBystander([]);
    using shielded = startShielded([]);
    using users = new UsersTerminal();
    const before = [bystander, shielded].map(({ pid }) => new Untouched(pid));
    const groups = [groupOf(bystander.pid), groupOf(shielded.pid)];
    users.takeWhile({ groups, shields: [shieldOf(shielded.pid)] });
    for (const one of before) one.assert();
    assertUnsignalled(bystander);
    assertUnsignalled(shielded);
  });

  asRoot("signals and changes processes of the holder's user", () => {
    using bystander = startBystander(AS_NOBODY);
    using shielded = startShielded(AS_NOBODY);
    using users = new UsersTerminal();
    assert(ignoresHangup(shielded.pid));
    users.takeWhile({
      groups: [groupOf(bystander.pid)],
      shields: [shieldOf(shielded.pid)],
    });
    assert(bystander.output.includes("signal 28"), bystander.output);
    assertEquals(bystander.expectExit(), { kind: "signaled", signal: 2 });
    assert(!ignoresHangup(shielded.pid));
  });

  asRoot("does not signal a group with a process of root in it", () => {
    const pair = `exec 3<&0; "$0" <&3 & exec setpriv ${AS_NOBODY.slice(1).join(" ")} "$0"`;
    using bystanders = Terminal.start(["sh", "-c", pair, publicVictim("signals")]);
    for (const _ of [1, 2]) bystanders.expect(/ready \d+/);
    const pids = [bystanders.pid, ...descendantsOf(bystanders.pid)];
    assertEquals(pids.map((pid) => readStatus(pid)?.uids[0]), [NOBODY, 0]);
    assertEquals(new Set(pids.map((pid) => groupOf(pid).pgrp)).size, 1);
    using users = new UsersTerminal();
    const before = pids.map((pid) => new Untouched(pid));
    users.takeWhile({ groups: [groupOf(pids[0]!)] });
    for (const one of before) one.assert();
    assert(!bystanders.output.includes("signal "), bystanders.output);
  });

  asRoot("does not trace a process with another start time, or one that is not dumpable", () => {
    using shielded = startShielded(AS_NOBODY);
    using secret = Terminal.start(
      [...AS_NOBODY, "sh", "-c", `trap '' HUP; exec "$0" nondumpable`, publicVictim("command")],
    );
    secret.expect("ready");
    using users = new UsersTerminal();
    const before = [shielded, secret].map(({ pid }) => new Untouched(pid));
    const stale = (one: ProcessIdentity) => ({ ...one, startTime: one.startTime - 1n });
    const shield = shieldOf(shielded.pid);
    users.takeWhile({
      groups: [],
      shields: [{ ...shield, process: stale(shield.process) }, shieldOf(secret.pid)],
    });
    for (const one of before) one.assert();
  });

  withNamespaces("has no effect for a root of another user namespace", () => {
    using bystander = startBystander([]);
    using shielded = startShielded(AS_NOBODY);
    using users = new UsersTerminal();
    const before = [bystander, shielded].map(({ pid }) => new Untouched(pid));
    users.takeWhile({
      groups: [groupOf(bystander.pid), groupOf(shielded.pid)],
      shields: [shieldOf(bystander.pid), shieldOf(shielded.pid)],
    }, { prefix: [...AS_NOBODY, "unshare", "-Ur"] });
    for (const one of before) one.assert();
    assertUnsignalled(bystander);
  });

  asRoot("is not published again as root's own record, which the next reptyr would believe", () => {
    const cases = [{ prefix: AS_NOBODY, told: [0, 0, 0] }, { prefix: [], told: [1, 2, 1] }];
    for (const { prefix, told } of cases) {
      using bystander = startBystander(AS_NOBODY);
      using shielded = startShielded(AS_NOBODY);
      using users = new UsersTerminal();
      using _forger = startForger({
        target: identityOf(users.shell),
        groups: [groupOf(bystander.pid)],
        members: [bystander.pid, shielded.pid].map(identityOf),
        shields: [{ ...shieldOf(shielded.pid), shell: identityOf(bystander.pid) }],
      }, { prefix });
      using stolen = Stolen.from(users.shell);
      const record = waitUntil("its record", () => {
        const file = readMemfd(stolen.pid, RECORD_NAME, () => MAX_RECORD_SIZE);
        const found = file && parseRecord(new TextDecoder().decode(file.bytes));
        return found?.groups && found;
      });
      assertEquals(record.target, identityOf(users.shell));
      const { groups = [], members = [], shields } = record;
      assertEquals([groups, members, shields].map(({ length }) => length), told);
      Deno.kill(stolen.pid, "SIGTERM");
      stolen.expectEnd(128 + SIGTERM);
    }
  });

  asRoot("has no effect when another user has made the file", () => {
    using bystander = startBystander([]);
    using users = new UsersTerminal();
    const before = new Untouched(bystander.pid);
    // As a set-user-ID program, which may have what its caller has opened.
    users.takeWhile({ groups: [groupOf(bystander.pid)] }, { maker: NOBODY, prefix: [] });
    before.assert();
    assertUnsignalled(bystander);
  });
});

describe("a forged job record, and root's reptyr PID", () => {
  afterEach(assertNoneLeft);

  asRoot("changes no member of root, and members of the holder's user", () => {
    const line = `trap '' HUP; setpriv ${AS_NOBODY.slice(1).join(" ")} cat | cat`;
    using old = Terminal.start(["sh", "-c", line], { label: "old" });
    const pids = waitUntil("two cats", () => {
      const found = descendantsOf(old.pid).filter((pid) => statOf(pid).comm === "cat");
      return found.length === 2 && found;
    });
    const [users, roots] = [NOBODY, 0].map((uid) =>
      pids.find((pid) => readStatus(pid)?.uids[0] === uid)!
    );
    assert([users!, roots!].every(ignoresHangup));
    const shields = [shieldOf(roots!), shieldOf(users!)];
    using _forger = startForger({ target: identityOf(users!), groups: [], shields });
    const { ttyNr } = statOf(old.pid);
    using moved = startOn([old.pid]).terminal;
    waitUntil("the move", () => isMoved(old.pid, ttyNr));
    moved.line("hello");
    moved.expect("hello\r\nhello\r\n");
    assert(ignoresHangup(roots!), "root's program does not ignore SIGHUP any more");
    assert(!ignoresHangup(users!), "the user's program still ignores SIGHUP");
    moved.press("^D");
    assertEquals(moved.expectExit(), { kind: "exited", status: 0 });
  });
});
