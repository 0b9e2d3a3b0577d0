/** `reptyr -T`: a whole terminal is taken, with all that runs on it, from an emulator of any make. */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { O_CLOEXEC, SIGKILL, SIGTERM } from "../../src/ffi/constants.ts";
import { parseFdinfo } from "../../src/proc/fdinfo.ts";
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { childrenOf, ProcessHandle } from "../support/child.ts";
import { assertNoneLeft, PROMPT, Target } from "../support/e2e_target.ts";
import { snapshot } from "../support/leftovers.ts";
import { requiresCompiler } from "../support/programs.ts";
import { Emulator, mastersOf, Stolen, untilIdle, type Way } from "../support/steal.ts";
import { waitUntil } from "../support/terminal.ts";
import { untilState } from "../support/victim.ts";

describe("reptyr -T", () => {
  afterEach(assertNoneLeft);

  for (const way of ["poll", "select", "epoll", "thread", "fork"] as readonly Way[]) {
    requiresCompiler(`takes the terminal, and its emulator sees the end: ${way}`, () => {
      using emulator = Emulator.start(way);
      const { window, shell } = emulator;
      const others = childrenOf(window.pid).filter((pid) => pid !== shell);
      assertEquals(others.length, way === "fork" ? 1 : 0);
      const before = mastersOf(window.pid);
      const state = snapshot(window.pid);
      using stolen = Stolen.from(shell);
      stolen.ask("echo it is $$", `it is ${shell}\r\n`);

      const pids = [window.pid, ...others];
      for (const _ of pids) window.expect(/end EIO events 0x[0-9a-f]+ data 0x[0-9a-f]+ in \d+\r\n/);
      for (const pid of pids) {
        assertMatch(window.output, new RegExp(`end EIO .* in ${pid}\\r\\n`));
        // What it holds is another file, under the same numbers, as close-on-exec as before.
        const now = mastersOf(pid);
        assertNotEquals(now[0]?.fdinfo.ttyIndex, before[0]?.fdinfo.ttyIndex);
        assertEquals(readStatus(pid)?.tracerPid, 0);
      }
      if (way === "epoll") {
        // Level-triggered, and the edge-triggered one of the second instance: with the data they were given.
        assertMatch(window.output, /end EIO events 0x10 data 0x1122334455667788/);
        window.expect("second 1 events 0x10 data 0x1122334455667789");
        window.line("!del");
        window.expect("del 0 0");
      }
      untilIdle(window.pid);
      // Nothing goes to the one who lost it.
      stolen.ask("echo only here", "only here\r\n");
      assert(!window.output.includes("only here"), window.output);
      // It still holds what it was given, until that is silenced; then what it writes is lost, and nothing else happens.
      for (const pid of pids) {
        const fds = before.map(({ fd }) => fd);
        waitUntil(
          "silence",
          () => fds.every((fd) => Deno.readLinkSync(`/proc/${pid}/fd/${fd}`).startsWith("socket:")),
        );
        for (const fd of fds) {
          const info = parseFdinfo(Deno.readTextFileSync(`/proc/${pid}/fdinfo/${fd}`));
          assertEquals(
            info.flags & O_CLOEXEC,
            before.find((one) => one.fd === fd)!.fdinfo.flags & O_CLOEXEC,
          );
        }
      }
      untilIdle(window.pid);
      assertEquals(
        snapshot(window.pid).facts.mappings,
        state.facts.mappings,
        "mappings of the emulator",
      );
      assertEquals(snapshot(window.pid).facts.descriptors.length, state.facts.descriptors.length);
      window.line("!write key");
      window.expect("written 11\r\n");
      untilIdle(window.pid);
      stolen.terminal.line("exit 7");
      stolen.expectEnd(7);
      window.line("!quit");
      assertEquals(window.expectExit(), { kind: "exited", status: 0 });
    });
  }

  requiresCompiler("keeps the jobs of the shell, and their keys: ^C, ^Z, fg, the size", () => {
    using emulator = Emulator.start("epoll");
    emulator.window.line("sleep 1000");
    const sleep = waitUntil("the job", () => {
      const pid = childrenOf(emulator.shell)[0];
      return pid !== undefined && readStat(pid)?.comm === "sleep" && pid;
    });
    using job = new ProcessHandle(sleep);
    using stolen = Stolen.from(sleep);
    const { terminal } = stolen;
    terminal.press("^Z");
    terminal.expect(/\[1\]\+ +Stopped +sleep 1000/);
    untilState(sleep, "T");
    assertEquals(readStat(stolen.pid)?.state === "T", false);
    stolen.ask("jobs", /\[1\]\+ +Stopped/);
    stolen.ask("fg", "sleep 1000\r\n");
    untilState(sleep, "S");
    terminal.press("^C");
    waitUntil("^C to end the job", () => job.ended);
    stolen.ask("stty size", "24 80\r\n");
    terminal.resize(31, 97);
    waitUntil("the size", () => {
      terminal.line("stty size");
      terminal.expect(/\d+ \d+\r\n/);
      return terminal.output.includes("31 97");
    });
    terminal.expect(PROMPT);
    terminal.line("exit 3");
    // The target was the job, and is over: its status is known where the kernel tells it once it is reaped.
    assertMatch(JSON.stringify(terminal.expectExit()), /"exited","status":(0|130)}/);
  });

  requiresCompiler(
    "takes a shell that has jobs, without a warning: all keep their /dev/tty",
    () => {
      using emulator = Emulator.start("poll");
      emulator.window.line("sleep 1000 &");
      const sleep = waitUntil("the job", () => childrenOf(emulator.shell)[0]);
      using job = new ProcessHandle(sleep);
      using stolen = Stolen.from(emulator.shell);
      assert(!stolen.terminal.output.includes("warning"), stolen.terminal.output);
      stolen.ask("(: </dev/tty) && echo has one", "has one\r\n");
      job.end();
    },
  );

  requiresCompiler("makes a full-screen program repaint at the size of the new terminal", () => {
    const trap = "trap 'echo size $(stty size)' WINCH; while :; do read -t 1000; done";
    using emulator = Emulator.start("poll");
    emulator.window.line(`exec bash -c "${trap.replaceAll("$", "\\$")}" sh`);
    waitUntil(
      "the program",
      () =>
        Deno.readTextFileSync(`/proc/${emulator.shell}/cmdline`).includes("trap") &&
        ((readStatus(emulator.shell)?.sigCaught ?? 0n) & (1n << 27n)) !== 0n,
    );
    using stolen = Stolen.from(emulator.shell);
    stolen.terminal.expect(/size 24 80\r\n/);
  });

  requiresCompiler("takes the terminal from another reptyr, which says so and ends", () => {
    using emulator = Emulator.start("poll");
    using first = Stolen.from(emulator.shell);
    first.ask("echo one", "one\r\n");
    using second = Stolen.from(emulator.shell);
    first.terminal.expect(/reptyr: another reptyr has taken \/dev\/pts\/\d+ away from here\r*\n/);
    first.expectEnd(0);
    second.ask("echo two $$", `two ${emulator.shell}\r\n`);
    using third = Stolen.from(emulator.shell);
    second.expectEnd(0);
    third.ask("exit 5", /exit\r\n/);
    third.expectEnd(5);
  });

  requiresCompiler("takes a program that reptyr has moved, with its terminal", () => {
    using target = Target.start("foreground job", ["cat"], (terminal) => {
      terminal.line("before");
      terminal.expect("before\r\nbefore\r\n");
    });
    using moved = target.move();
    using stolen = Stolen.from(target.pid);
    moved.expect(/reptyr: another reptyr has taken \/dev\/pts\/\d+ away from here/);
    assertEquals(moved.expectExit(), { kind: "exited", status: 0 });
    stolen.ask("after", "after\r\nafter\r\n");
    stolen.terminal.press("^C");
    stolen.expectEnd(130);
  });

  for (const [signal, status] of [[SIGTERM, 143], [SIGKILL, undefined]] as const) {
    requiresCompiler(`hangs the terminal up when it is ended by signal ${signal}`, () => {
      using emulator = Emulator.start("epoll");
      using shell = new ProcessHandle(emulator.shell);
      using stolen = Stolen.from(emulator.shell);
      stolen.ask("echo one", "one\r\n");
      stolen.terminal.child.handle.signal(signal);
      if (status !== undefined) {
        stolen.terminal.expect("reptyr: ended by SIGTERM: the programs on /dev/pts/");
        stolen.expectEnd(status);
      }
      assert(shell.waitForEnd(20_000), "the shell hears of the hang-up");
    });
  }
});
