import { assertEquals, assertMatch } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { lacks, requiresCapability } from "../support/capabilities.ts";
import { descendantsOf } from "../support/child.ts";
import { assertNoneLeft, PROMPT, Target } from "../support/e2e_target.ts";
import { linesOf, WIDE } from "../support/input_run.ts";
import { statOf, typeInShell } from "../support/jobs_moved.ts";
import { whyFails } from "../support/probes/attempt.ts";
import { cgroupHierarchy } from "../support/probes/kernel.ts";
import { requires, requiresCompiler, requiresThat, victim } from "../support/programs.ts";
import { reportOn, why } from "../support/reports.ts";
import { reptyrPath } from "../support/reptyr.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";

const CAT = ["sh", "-c", "echo ready; exec cat"];

/** What runs the words after it where logind.conf says `setting`. */
const whereLogind = (setting: string) => [
  ...["unshare", "--mount", "sh", "-c"],
  `mount -t tmpfs none /etc/systemd && echo ${setting} > /etc/systemd/logind.conf && exec "$@"`,
  "sh",
];

describe("a warning of reptyr", () => {
  afterEach(assertNoneLeft);

  const noLogind = lacks("cgroups", "mountns") ?? whyFails([...whereLogind(""), "true"]);
  requiresThat(noLogind === undefined, noLogind ?? "")(
    "names the scope of a login session, with --why and before the move",
    () => {
      const scope = `session-${Deno.pid}.scope`;
      const folder = `${cgroupHierarchy()}/${scope}`;
      using stack = new DisposableStack();
      Deno.mkdirSync(folder);
      stack.defer(() => Deno.removeSync(folder));
      using target = Target.start("session leader", CAT, (terminal) => terminal.expect("ready"));
      const { pid, handle } = target;
      Deno.writeTextFileSync(`${folder}/cgroup.procs`, `${pid}`);

      const killing = whereLogind("KillUserProcesses=yes");
      const sparing = whereLogind("KillUserProcesses=no");
      assertEquals(reportOn(pid, sparing).warnings, []);
      const { can, warnings } = reportOn(pid, killing);
      assertEquals([can, warnings.length], [true, 1]);
      assertMatch(
        warnings[0]!,
        new RegExp(
          `^Process ${pid} stays in ${scope}, .* ends it at logout; to keep it, run: busctl call ` +
            `.* reptyr-${pid}\\.scope fail 1 PIDs au 1 ${pid} 0$`,
        ),
      );

      using moved = new Terminal({ ...WIDE, columns: 500 });
      target.moveBy(() => moved.spawn([...killing, reptyrPath, `${pid}`]), moved);
      assertEquals(linesOf(moved.output).slice(0, 1), [`reptyr: warning: ${warnings[0]}`]);
      moved.line("still here");
      moved.expect("still here\r\nstill here\r\n");
      handle.end();
      moved.expectExit();
    },
  );

  requiresCapability("seccomp", requiresCompiler)(
    "names a seccomp filter, before the target is stopped",
    () => {
      using target = Target.start(
        "session leader",
        [victim("command"), "seccomp-errno"],
        (terminal) => terminal.expect("ready"),
      );
      const { can, reason, warnings } = reportOn(target.pid);
      if (!can) {
        // Without CAP_SYS_ADMIN the filter would stay in force.
        assertMatch(reason!, /it runs under a seccomp filter, which might kill it/);
        return;
      }
      assertMatch(
        warnings[0]!,
        /is under seccomp: its filter is suspended for the calls of the move/,
      );
      using moved = target.move(WIDE);
      moved.expect(`reptyr: warning: Process ${target.pid} is under seccomp`);
      moved.line("exit 5");
      target.expectEnd(moved, 5);
    },
  );

  requires("bash")("says that the shell below the target will have no job control", () => {
    using old = typeInShell("sh -c 'bash --norc -i; exit 3'");
    const [parent, shell] = waitUntil("the shell", () => {
      const pids = descendantsOf(old.pid);
      return pids.length === 2 && statOf(pids[1]!).tpgid === pids[1] && pids;
    });
    const { can, warnings } = why(parent!);
    assertEquals(can, true);
    assertEquals(warnings, [
      `Process ${shell}, a shell below process ${parent}, will have no job control: ^C and ^Z do not reach what it ` +
      `starts from now on; to move it instead, run: reptyr ${shell}; to move the terminal itself: reptyr -T ${parent}`,
    ]);
    assertEquals(why(shell!).warnings, []);
    old.line("exit");
    old.expect(PROMPT);
  });
});
