/**
 * Programs around a job that have its terminal open, or share its process group, and are no part of it: init, supervisors,
 * daemons, and who shows the terminal. A move does not touch them, and no key reaches them.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { readStatus } from "../../src/proc/status.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { detached, playing, Scene } from "../support/bystanders.ts";
import { childrenOf, ProcessHandle } from "../support/child.ts";
import {
  AS_NOBODY,
  isMoved,
  isRoot,
  NOBODY,
  refused,
  startDetached,
  startOn,
  switchesOf,
} from "../support/input_run.ts";
import { statOf, typeInShell } from "../support/jobs_moved.ts";
import { requires, requiresCompilerAnd, requiresThat, victim, which } from "../support/programs.ts";
import { listed, why } from "../support/reports.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";
import { untilBlocked } from "../support/victim.ts";

const UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc"];

/** What runs the words after it so that ^\\ does not end it. */
const IGNORING = ["sh", "-c", 'trap "" QUIT; exec "$@"', "sh"];

const withPython = requires("python3", "bash");

/** `it` where a PID namespace can be made. */
function unsharing(): typeof withPython {
  const { success } = new Deno.Command("unshare", { args: [...UNSHARE.slice(1), "true"] })
    .outputSync();
  return which("python3") === undefined
    ? withPython
    : requiresThat(success, "unshare --pid is not permitted");
}

describe("a program outside of the job that has its terminal open", () => {
  afterEach(assertNoneLeft);

  withPython("a supervisor that opened the terminal for its child, an agetty and a sibling", () => {
    using old = new Terminal({ label: "old" });
    using scene = new Scene({
      bystanders: ["supervisor", "getty", "sibling"],
      start: detached("supervisor", old.device),
    });
    scene.moveAndUse();
  });

  withPython("a login(1) that waits for its shell", () => {
    using scene = new Scene({
      bystanders: ["login"],
      start: (folder) => Terminal.start(playing("login", folder), { label: "old" }),
    });
    scene.moveAndUse();
  });

  for (const keeps of ["master", "slave"]) {
    withPython(`an sshd that holds the ${keeps}`, () => {
      using scene = new Scene({ bystanders: ["sshd"], start: detached("sshd", keeps) });
      scene.moveAndUse();
    });
  }

  unsharing()("the shim and the runtime of a container, whose init is the target", () => {
    using scene = new Scene({ bystanders: ["shim"], start: detached("shim") });
    const runtime = statOf(scene.target).ppid;
    assertEquals(readStatus(scene.target)?.nsPid.at(-1), 1);
    const watched = scene.watch("runtime", runtime);
    scene.moveAndUse({ look: () => watched.assertAsleep() });
  });

  for (const shape of ["job", "session"] as const) {
    unsharing()(`the init of a PID namespace, with the target as its ${shape}`, () => {
      using scene = new Scene({
        bystanders: ["init"],
        areShells: shape === "job",
        start: (folder) =>
          Terminal.start([...UNSHARE, ...playing("init", folder, shape)], { label: "old" }),
      });
      const outside = scene.watch("the program outside", statOf(statOf(scene.target).ppid).ppid);
      scene.moveAndUse({ look: () => outside.assertAsleep() });
    });
  }

  unsharing()(
    "the init of a PID namespace in the target's group: the other processes of the group come along",
    () => {
      using scene = new Scene({
        bystanders: ["init"],
        start: (folder) =>
          Terminal.start([...IGNORING, ...UNSHARE, ...playing("init", folder, "group")], {
            label: "old",
          }),
      });
      const { ppid: init, pgrp } = statOf(scene.target);
      const outside = statOf(init).ppid;
      assertEquals([statOf(init).pgrp, statOf(outside).pgrp], [pgrp, pgrp]);
      // What shares the job is hung up with its terminal, and leads the session of both.
      scene.moveAndUse({
        stopped: [outside],
        isKept: true,
        look: (shell) => {
          const text = shell.output.replaceAll(/\s+/g, " ");
          assertStringIncludes(text, `warning: Process ${init} (`);
        },
      });
    },
  );
});

describe("a daemon in the process group of the target", () => {
  afterEach(assertNoneLeft);

  withPython("such as atd stays and is named, and no key reaches it", () => {
    using scene = new Scene({ bystanders: ["atd", "sh"], start: detached("atd") });
    const { warnings, members } = why(scene.target);
    const [atd, sh] = scene.bystanders.map(({ pid }) => pid);
    const named = new RegExp(`Processes ${atd} \\(.*\\), ${sh} \\(.*\\), in the process group of`);
    assertEquals([members, warnings.length], [1, 1]);
    assertMatch(warnings[0]!, named);
    const look = (shell: Terminal) => void assertMatch(shell.output.replaceAll(/\s+/g, " "), named);
    scene.moveAndUse({ args: ["-s"], look });
  });

  requiresCompilerAnd(which("python3") !== undefined, "not installed: python3")(
    "is not stopped: a program that would stop its whole group at ^Z is not asked to",
    () => {
      using scene = new Scene({
        bystanders: ["daemon"],
        start: (folder) => {
          const words = playing("pipe", folder).map((word) => `'${word}'`).join(" ");
          const target = `sh -c 'echo $$ >"$0/target.pid"; exec "$1" stop "$0"'`;
          return typeInShell(`stty -icanon; ${words} | ${target} ${folder} ${victim("suspends")}`);
        },
      });
      const { target, bystanders: [daemon] } = scene;
      const { pgrp, ttyNr } = statOf(target);
      assertEquals(statOf(daemon!.pid).pgrp, pgrp);
      using handle = new ProcessHandle(pgrp);
      using moved = startOn([target]).terminal;
      waitUntil("the move", () => isMoved(target, ttyNr));
      daemon!.assertAsleep();
      moved.press("^C");
      moved.expectExit();
      assert(handle.waitForEnd(20_000), "The first of the pipeline has not got the key");
      daemon!.assertAsleep();
    },
  );

  requiresThat(isRoot, "only root can be another user")(
    "of another user does not prevent a user from moving a program of their own out of the group",
    () => {
      // As a job of at(1): a shell of root's, and a program of nobody's in its group.
      using daemon = startDetached(["sh", "-c", `${AS_NOBODY.join(" ")} sleep 1000; exit 3`]);
      const target = waitUntil(
        "the program",
        () => childrenOf(daemon.pid).find((pid) => statOf(pid).comm === "sleep"),
      );
      [daemon.pid, target].forEach((pid) => untilBlocked(pid));
      assertEquals(statOf(target).pgrp, statOf(daemon.pid).pgrp);
      const before = switchesOf(daemon.pid);
      using moved = startOn(["-s", target], { prefix: AS_NOBODY, owner: NOBODY }).terminal;
      waitUntil("the move", () => isMoved(target, 0));
      moved.expect(`warning: Process ${daemon.pid} (`);
      moved.resize(31, 97);
      assertEquals(switchesOf(daemon.pid), before);
      moved.press("^\\");
      assertEquals(moved.expectExit(), { kind: "exited", status: 131 }, moved.describe());
      // It has waited for its child, and no key has ended it.
      const ended = waitUntil("the daemon to end", () => daemon.status);
      assertEquals(ended, { kind: "exited", status: 3 });
    },
  );

  for (const args of [[], ["-1"], ["-s"]]) {
    withPython(`prevents a move of the group's leader, with the reason: ${args.join(" ")}`, () => {
      using scene = new Scene({
        bystanders: ["daemon"],
        start: (folder) =>
          typeInShell(playing("leader", folder).map((word) => `'${word}'`).join(" ")),
      });
      const daemon = scene.bystanders[0]!.pid;
      assertEquals(statOf(daemon).pgrp, scene.target);
      const lines = refused([...args, scene.target]);
      assertMatch(
        lines[0]!,
        new RegExp(`it leads a process group that ${daemon} \\(.*\\) is in, too`),
      );
      assertEquals(lines[2], `To move the terminal itself, run: reptyr -T ${scene.target}`);
      scene.bystanders[0]!.assertAsleep();
      const { can, reason } = why(scene.target);
      assertEquals([can, reason], [false, lines[0]]);
    });
  }
});

describe("a daemon that has a terminal open, in reptyr --list", () => {
  afterEach(assertNoneLeft);

  withPython("is not shown as a process on that terminal", () => {
    using old = new Terminal({ label: "old" });
    using scene = new Scene({
      bystanders: ["supervisor", "sibling", "getty"],
      start: detached("supervisor", old.device),
    });
    const [supervisor, sibling] = scene.bystanders.map(({ pid }) => pid);
    const shown = listed().map(({ pid }) => pid);
    assert(!shown.includes(supervisor!));
    // Its descriptors 0, 1 and 2 are on it, as those of `setsid less`.
    assert(shown.includes(sibling!) && shown.includes(scene.target));
    const { terminal, can, reason, remedies } = why(supervisor!);
    assertEquals([terminal, can, reason], [null, false, "Target is not connected to a terminal"]);
    assertStringIncludes(remedies.join("\n"), `${old.device} as 37`);
    scene.assertUntouched();
  });
});

describe("the init of this machine", () => {
  afterEach(assertNoneLeft);

  const isSeen = isRoot && Deno.readLinkSync("/proc/self/ns/pid") === "pid:[4026531836]";
  const asRoot = requiresThat(isSeen, "only root might move it, and not out of a container");

  asRoot("is refused with the reason, by every command", () => {
    for (const args of [[], ["-s"], ["-1"], ["-T"]]) {
      const lines = refused([...args, 1]);
      assertMatch(
        lines[0]!,
        /process 1 \(.*\): it is the init of this machine, which is never touched$/,
      );
    }
  });
});
