import { assert, assertEquals, assertMatch } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import { readStat } from "../../src/proc/stat.ts";
import { assertNoneLeft, SHAPES, Target } from "../support/e2e_target.ts";
import { requires } from "../support/programs.ts";
import { move, Script, start } from "../support/scripts_run.ts";
import { waitUntil } from "../support/terminal.ts";

describe("reptyr with a pipe for its input and its output", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    it(`types its input, and writes the output of the target, no more: ${shape}`, () => {
      using target = start(shape, "exec cat");
      using script = move(target);
      script.write("one\ntwo\n");
      script.expect("one\ntwo\n");
      script.write("three\n");
      script.expect("three\n");
      script.endInput();
      script.expectEnd(0);
      assertEquals(script.output, "one\ntwo\nthree\n");
      assert(target.handle.ended);
    });

    it(`ends with the status of the target: ${shape}`, () => {
      using target = start(shape, "read x; echo got $x; exit 7");
      using script = move(target);
      script.write("a line\n");
      script.expectEnd(7);
      assertEquals(script.output, "got a line\n");
    });

    it(`returns the signal that ended the target in its status: ${shape}`, () => {
      using target = start(shape, "exec cat");
      using script = move(target);
      target.handle.signal(9);
      script.expectEnd(137);
    });

    it(`types a text without a final newline, and then end of file: ${shape}`, () => {
      using target = start(shape, "exec cat");
      using script = move(target);
      script.write("one\nunfinished");
      script.endInput();
      script.expectEnd(0);
      assertEquals(script.output, "one\nunfinished");
    });

    it(`types end of file once at the end of its input: ${shape}`, () => {
      using target = start(
        shape,
        `IFS= read -r x; echo "$x"; cat; echo first end; IFS= read -r y && echo "second: $y"; exit 3`,
      );
      using script = move(target);
      script.write("line\nrest");
      script.endInput();
      script.expect("first end\n");
      // The one end was spent: read waits on the terminal, which has no keyboard any more.
      waitUntil("the target to wait", () => readStat(target.pid)?.state === "S");
      assert(!target.handle.ended);
      target.handle.signal(15);
      script.expectEnd(143);
      assertEquals(script.output, "line\nrestfirst end\n");
    });
  }

  it("types end of file for an empty input", () => {
    using target = start("foreground job", "cat; exit 5");
    using script = move(target);
    script.endInput();
    script.expectEnd(5);
    assertEquals(script.output, "");
  });

  it("keeps end of file for a program that reads much later", () => {
    using target = start("session leader", "read go; sleep 1; cat; exit 6");
    using script = move(target);
    script.write("go\n");
    script.write("x\n");
    script.endInput();
    script.expectEnd(6);
    assertEquals(script.output, "x\n");
  });

  it("types a line that is longer than the terminal's line buffer", () => {
    using target = start("foreground job", "exec cat");
    using script = move(target);
    const text = [4094, 4095, 4096, 8190, 8191, 50_000].map((count) => "x".repeat(count - 1) + "y")
      .join("\n") + "\nend";
    script.write(text);
    script.endInput();
    script.expectEnd(0);
    assertEquals(script.output.length, text.length);
    assertEquals(script.output, text);
  });

  it("types bytes one by one as they come", () => {
    using target = start("foreground job", "exec cat");
    using script = move(target);
    for (const letter of "abcdefgh\n") script.write(letter);
    script.expect("abcdefgh\n");
    script.write("more\n");
    script.endInput();
    script.expectEnd(0);
  });

  it("takes the bytes of signal keys for keys, except ^Z", () => {
    using target = start(
      "session leader",
      "trap 'echo caught; exit 4' INT; while :; do read x; done",
    );
    using script = move(target);
    script.write("\x1a\x03");
    script.expectEnd(4);
    assertEquals(script.output, "caught\n");
  });
});

describe("reptyr with programs that edit lines themselves", () => {
  afterEach(assertNoneLeft);

  it("feeds an interactive shell, and ends it", () => {
    using target = Target.start(
      "session leader",
      ["bash", "--norc", "--noprofile", "-i"],
      (terminal) => terminal.expect("$ "),
    );
    using script = Script.start(target.pid);
    script.write("echo $((6 * 7))\nsleep 1\necho last\n");
    script.endInput();
    script.expectEnd(0);
    assertMatch(script.output, /42\r?\n/);
    assertMatch(script.output, /last\r?\n[^]*exit/);
  });

  it("ends a shell whose last command was long and did not read", () => {
    using target = Target.start(
      "session leader",
      ["bash", "--norc", "--noprofile", "-i"],
      (terminal) => terminal.expect("$ "),
    );
    using script = Script.start(target.pid);
    // The end is typed while sleep runs, and is no end any more when the shell is back.
    script.write("sleep 2\n");
    script.endInput();
    script.expectEnd(0);
  });

  it("gives end of file to the command that reads, and not to the shell as well", () => {
    using target = Target.start(
      "session leader",
      ["bash", "--norc", "--noprofile", "-i"],
      (terminal) => terminal.expect("$ "),
    );
    using script = Script.start(target.pid);
    script.write("cat\n");
    script.expect("cat");
    waitUntil("cat to run", () => readStat(target.pid)?.tpgid !== target.pid);
    script.write("a line\n");
    script.endInput();
    // Twice: the shell has given its command the echo that it has found itself.
    script.expect(/a line\r?\n[^]*a line\r?\n/);
    waitUntil("the shell to be back", () => readStat(target.pid)?.tpgid === target.pid);
    assert(!target.handle.ended);
    target.handle.signal(1);
    script.expectEnd(129);
  });

  requires("python3")("feeds an interactive python, and ends it", () => {
    using target = Target.start(
      "foreground job",
      ["python3", "-q"],
      (terminal) => terminal.expect(">>> "),
    );
    using script = Script.start(target.pid);
    script.write("print(6 * 7)\n");
    script.endInput();
    script.expectEnd(0);
    assertMatch(script.output, /42\r?\n/);
  });
});
