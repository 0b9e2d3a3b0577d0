import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import { unlessGone } from "../../src/proc/gone.ts";
import { printable } from "../../src/proc/printable.ts";
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { childrenOf } from "../support/child.ts";
import { assertNoneLeft, SHELL, Target } from "../support/e2e_target.ts";
import {
  AS_NOBODY,
  linesOf,
  NOBODY,
  refused,
  startDetached,
  Untouched,
  WIDE,
} from "../support/input_run.ts";
import { requires, requiresCompiler, victim } from "../support/programs.ts";
import { answer, listed, reportOn, why } from "../support/reports.ts";
import { reptyrPath } from "../support/reptyr.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";

/** Name below /dev of a test's terminal. */
const nameOf = ({ device }: Terminal) => device.replace("/dev/", "");

const CAT = ["sh", "-c", "echo ready; exec cat"];
const catOn = (prefix: readonly string[] = []) => {
  const terminal = Terminal.start([...prefix, ...CAT]);
  terminal.expect("ready");
  waitUntil("cat", () => readStat(terminal.pid)?.comm === "cat");
  return terminal;
};

const asRoot = requiresCapability("users");

const OWN_NAME = new TextDecoder().decode(
  new Deno.Command("id", { args: ["-un"] }).outputSync().stdout,
)
  .trim();

describe("reptyr --list and --why", () => {
  afterEach(assertNoneLeft);

  it("show a session leader that can be moved, and change nothing in it", () => {
    using terminal = catOn();
    const target = new Untouched(terminal.pid, "cat");
    assertEquals(reportOn(terminal.pid), {
      pid: terminal.pid,
      uid: Deno.uid() ?? 0,
      user: OWN_NAME,
      terminal: nameOf(terminal),
      terminalGone: false,
      terminalElsewhere: false,
      state: "S",
      command: "cat",
      members: 1,
      can: true,
      reason: null,
      remedies: [],
      warnings: [],
    });
    target.assert();
    terminal.line("still here");
    terminal.expect("still here\r\nstill here\r\n");
  });

  it("say of a job what `reptyr PID` says, and count its members", () => {
    using terminal = Terminal.start(SHELL);
    terminal.expect("$ ");
    terminal.line("cat | sort | sleep 1010");
    const members = waitUntil("the pipeline", () => {
      const pids = childrenOf(terminal.pid).sort((a, b) => a - b);
      return pids.map((pid) => readStat(pid)?.comm).join() === "cat,sort,sleep" && pids;
    });
    const all = [terminal.pid, ...members].map((pid) => new Untouched(pid));
    for (const pid of members) {
      const { can, members, reason, remedies } = reportOn(pid);
      assertEquals(members, 3);
      // Whether whole jobs can be moved is for other tests; here it is to be the same answer.
      if (!can) assertEquals([reason, ...remedies], refused([pid]));
    }
    assertEquals(reportOn(terminal.pid).members, 4);
    for (const process of all) process.assert();
  });

  it("show a stopped job as stopped", () => {
    using job = Target.start("foreground job", ["sleep", "1011"], () => {});
    waitUntil("sleep", () => job.stat.comm === "sleep");
    job.terminal.press("^Z");
    waitUntil("the stop", () => job.stat.state === "T");
    const target = new Untouched(job.pid);
    assertEquals(reportOn(job.pid).state, "T");
    target.assert();
  });

  requires("python3")("show a zombie, and not the process that runs them", () => {
    const program = "import os, sys; pid = os.fork() or os._exit(3); print(f'zombie {pid}.', " +
      "flush=True); sys.stdin.read()";
    using terminal = Terminal.start(["python3", "-c", program]);
    const pid = Number(terminal.expect(/zombie (\d+)\./)[1]);
    waitUntil("the zombie", () => readStat(pid)?.state === "Z");
    const { state, can, reason } = reportOn(pid);
    assertEquals([state, can], ["Z", false]);
    assertMatch(reason!, /it has ended and is a zombie$/);
    const own = `${reptyrPath} --list --json`;
    assertEquals(listed().filter(({ command }) => command === own), []);
  });

  requires("strace")("name the tracer of a process that is traced", () => {
    using terminal = catOn();
    using tracer = startDetached(["strace", "-qq", "-o", "/dev/null", "-p", `${terminal.pid}`]);
    waitUntil("strace", () => readStatus(terminal.pid)?.tracerPid === tracer.pid);
    const { can, reason, remedies } = reportOn(terminal.pid);
    assertEquals(can, false);
    assertStringIncludes(reason!, `it is already traced by process ${tracer.pid} (strace -qq`);
    assertEquals(remedies, [`End process ${tracer.pid} or make it detach, then try again`]);
    assertEquals(readStatus(terminal.pid)?.tracerPid, tracer.pid);
    terminal.line("still here");
    terminal.expect("still here\r\nstill here\r\n");
  });

  for (const name of [") S 1 (", "new\nline", "\x1b[31mred"]) {
    requiresCompiler(`show a process called ${JSON.stringify(name)}`, () => {
      using terminal = Terminal.start([victim("command"), "name", name]);
      terminal.expect("ready");
      const target = new Untouched(terminal.pid, name);
      const report = reportOn(terminal.pid);
      assertEquals([report.terminal, report.can], [nameOf(terminal), true]);
      assertEquals(printable(report.command!), report.command);
      const { stdout } = answer(["--list"]);
      const [line, second] = linesOf(stdout).filter((line) =>
        line.trim().startsWith(`${terminal.pid} `)
      );
      assert(line?.endsWith(report.command!), stdout);
      assertEquals(second, undefined);
      target.assert();
    });
  }

  requires("python3")("show a process whose terminal is gone", () => {
    using orphan = orphaned();
    const report = reportOn(orphan.pid);
    assertEquals([report.terminalGone, report.members, report.can], [true, 1, true]);
    assertMatch(report.terminal!, /^pts\/\d+$/);
    const [row] = linesOf(answer(["--list"]).stdout).filter((line) =>
      line.trim().startsWith(`${orphan.pid} `)
    );
    assertStringIncludes(row!, `${report.terminal} (gone)`);
    orphan.untouched.assert();
  });

  it("omit a process on no terminal, and explain it when asked", () => {
    using sleeper = startDetached(["sleep", "1013"]);
    waitUntil("sleep", () => readStat(sleeper.pid)?.comm === "sleep");
    const target = new Untouched(sleeper.pid);
    assertEquals(listed().filter(({ pid }) => pid === sleeper.pid), []);
    const { terminal, can, reason, remedies } = why(sleeper.pid);
    assertEquals([terminal, can], [null, false]);
    assertEquals([reason, ...remedies], refused([sleeper.pid]));
    target.assert();
  });

  it("say that there is no such process", () => {
    using gone = startDetached(["true"]);
    gone.handle.waitForEnd(20_000);
    assertEquals(gone.status, { kind: "exited", status: 0 });
    assertEquals(why(gone.pid), {
      pid: gone.pid,
      uid: null,
      user: null,
      terminal: null,
      terminalGone: false,
      terminalElsewhere: false,
      state: null,
      command: null,
      members: null,
      can: false,
      reason: `Cannot move process ${gone.pid}: no such process`,
      remedies: ["`reptyr --list` lists the processes on terminals"],
      warnings: [],
    });
    assertEquals(answer(["--why", gone.pid]), {
      code: 1,
      stdout: `Move      cannot\nCannot move process ${gone.pid}: no such process\n` +
        "  `reptyr --list` lists the processes on terminals\n",
    });
  });

  it("order by terminal, then by PID", () => {
    using first = catOn();
    using second = catOn();
    const own = listed().filter(({ pid }) => [first.pid, second.pid].includes(pid));
    const expected = [first, second].sort((a, b) =>
      Number(a.device.match(/\d+$/)) - Number(b.device.match(/\d+$/))
    );
    assertEquals(own.map(({ terminal }) => terminal), expected.map(nameOf));
  });
});

describe("reptyr --list and --why of and by other users", () => {
  afterEach(assertNoneLeft);

  asRoot("show a process of user nobody by its name", () => {
    using terminal = catOn(AS_NOBODY);
    const target = new Untouched(terminal.pid, "cat");
    const { uid, user, can } = reportOn(terminal.pid);
    assertEquals([uid, user, can], [NOBODY, "nobody", true]);
    target.assert();
  });

  asRoot("show a user without a name by number", () => {
    using terminal = catOn(["setpriv", "--reuid=4242424", "--clear-groups"]);
    const { uid, user } = reportOn(terminal.pid);
    assertEquals([uid, user], [4242424, "4242424"]);
  });

  asRoot("tell an ordinary user that processes of root cannot be moved", () => {
    using terminal = catOn();
    const target = new Untouched(terminal.pid, "cat");
    const report = reportOn(terminal.pid, AS_NOBODY);
    assertEquals([report.user, report.terminal, report.members, report.can], [
      "root",
      nameOf(terminal),
      1,
      false,
    ]);
    assertStringIncludes(
      report.reason!,
      `it belongs to another user (uid 0; this reptyr runs as uid ${NOBODY})`,
    );
    assertEquals(report.remedies, [`Run: sudo reptyr ${terminal.pid}`]);
    target.assert();
  });

  asRoot("tell an ordinary user that own processes can be moved, or that Yama prevents it", () => {
    using terminal = catOn(AS_NOBODY);
    const target = new Untouched(terminal.pid, "cat");
    const { can, reason } = reportOn(terminal.pid, AS_NOBODY);
    assert(can || reason!.includes("kernel.yama.ptrace_scope is"), reason!);
    target.assert();
  });

  requiresCapability(["users", "mountns"])("say that /proc hides processes of other users", () => {
    using terminal = catOn();
    const hidden = [
      ...["unshare", "--mount", "sh", "-c"],
      `mount -t proc -o hidepid=1 proc /proc && exec ${AS_NOBODY.join(" ")} "$@"`,
      "sh",
    ];
    const report = why(terminal.pid, hidden);
    assertEquals([report.can, report.remedies], [false, [`Run: sudo reptyr ${terminal.pid}`]]);
    assertMatch(report.reason!, /permission denied: \/proc hides the processes of other users/);
    assertEquals(listed(hidden).filter(({ pid }) => pid === terminal.pid), []);
  });
});

describe("reptyr --list and --why on a terminal", () => {
  afterEach(assertNoneLeft);

  asRoot("cut the command to the width of the terminal, and not the reason", () => {
    using target = Terminal.start(["sh", "-c", `echo ready; read line; : ${"x".repeat(200)}`]);
    target.expect("ready");
    using terminal = Terminal.start([...AS_NOBODY, reptyrPath, "--list"], { ...WIDE, columns: 90 });
    assertEquals(terminal.expectExit(), { kind: "exited", status: 0 });
    const rows = linesOf(terminal.output);
    const at = rows.findIndex((line) => line.trim().startsWith(`${target.pid} `));
    assertEquals([rows[at]?.length, rows[at]?.at(-1)], [90, "…"], terminal.output);
    assertEquals(rows.slice(at + 1, at + 3), [
      "         permission denied: it belongs to another user (uid 0; this reptyr runs as uid " +
      `${NOBODY})`,
      `         Run: sudo reptyr ${target.pid}`,
    ]);
  });

  it("use colours there, and none with NO_COLOR or in a pipe", () => {
    using target = catOn();
    const output = (env: Record<string, string>) => {
      using terminal = Terminal.start([reptyrPath, "--why", `${target.pid}`], { env });
      assertEquals(terminal.expectExit(), { kind: "exited", status: 0 });
      return terminal.output;
    };
    const coloured = output({});
    assertStringIncludes(coloured, "\x1b[32mcan: run `reptyr");
    const plain = output({ NO_COLOR: "1" });
    assert(!plain.includes("\x1b"), plain);
    // deno-lint-ignore no-control-regex
    assertEquals(linesOf(coloured.replace(/\x1b\[\d+m/g, "")), linesOf(plain));
    assertEquals(linesOf(answer(["--why", target.pid]).stdout), linesOf(plain));
  });
});

/** A process on a terminal whose master has been closed. */
function orphaned(): Disposable & { readonly pid: number; readonly untouched: Untouched } {
  const program = `import os, pty, signal, time
pid, master = pty.fork()
if pid == 0:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.write(1, b"x")
    time.sleep(1014)
os.read(master, 1)
os.close(master)
time.sleep(1014)
`;
  using stack = new DisposableStack();
  const parent = stack.use(startDetached(["python3", "-c", program]));
  const pid = waitUntil("a process on a dead terminal", () => {
    const child = childrenOf(parent.pid)[0] ?? 0;
    const link = unlessGone(() => Deno.readLinkSync(`/proc/${child}/fd/0`));
    return link?.endsWith(" (deleted)") && readStat(child)?.ttyNr === 0 && child;
  });
  const untouched = new Untouched(pid);
  const owned = stack.move();
  return { pid, untouched, [Symbol.dispose]: () => owned[Symbol.dispose]() };
}
