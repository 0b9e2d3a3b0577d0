import { assertEquals } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import { SIGTERM } from "../../src/ffi/constants.ts";
import { readStat } from "../../src/proc/stat.ts";
import { descendantsOf, ProcessHandle } from "../support/child.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { MovedJob, startOnTerminal, typeInShell, untilForeground } from "../support/jobs_moved.ts";
import { startReptyr } from "../support/reptyr.ts";
import { waitUntil } from "../support/terminal.ts";
import { untilBlocked } from "../support/victim.ts";

describe("jobs that are hard to catch", () => {
  afterEach(assertNoneLeft);

  it("a shell with its foreground job, moved twice", () => {
    using old = typeInShell("cat");
    const cat = waitUntil(
      "cat",
      () => descendantsOf(old.pid).find((pid) => readStat(pid)?.comm === "cat"),
    );
    untilForeground(cat);
    untilBlocked(cat);
    using job = new MovedJob(old, [old.pid, cat]);
    using second = job.move(old.pid);
    second.transfer();
    using third = job.move(old.pid);
    third.line("third");
    third.expect("third\r\nthird\r\n");
  });

  it("a script of a shell that begets short-lived children, some of them zombies just then", () => {
    const script = "i=0; while :; do i=$((i+1)); /bin/echo child $i; done";
    using old = startOnTerminal("foreground job", ["bash", "--norc", "-c", script]);
    old.expect(/child 3\r\n/);
    const pid = descendantsOf(old.pid)[0]!;
    using target = new ProcessHandle(pid);
    using moved = startReptyr([pid]);
    moved.expect(/child \d+\r\n/);
    // Not by ^C: a shell whose child has just ended by itself goes on after that, as on any terminal.
    target.signal(SIGTERM);
    assertEquals(moved.expectExit(), { kind: "exited", status: 128 + SIGTERM });
  });
});
