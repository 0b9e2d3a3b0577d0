import { assert, assertEquals, equal } from "@std/assert";
import { afterEach } from "@std/testing/bdd";
import { SIGINT, SIGKILL } from "../../src/ffi/constants.ts";
import { makeFifo } from "../../src/ffi/descriptor.ts";
import { readProcText } from "../../src/proc/gone.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { checkRecords, expectedWriter } from "../support/mirror_records.ts";
import { describeEngines, Procout } from "../support/procout.ts";
import { requires, requiresCompiler, victim } from "../support/programs.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";
import { startVictim } from "../support/victim.ts";

const MB = 1_000_000;

/** Copies a file with many pauses. */
const SLOW_COPY = `
import os, sys, time
source, copy = os.open(sys.argv[1], os.O_RDONLY), open(sys.argv[2], "wb")
while data := os.read(source, 20000):
    copy.write(data)
    time.sleep(0.002)
`;

/** A flood from `shell`, which says where descriptor 1 of `$VICTIM` leads. It waits for a line. */
function flood(shell: string, ...args: number[]): Terminal {
  const terminal = Terminal.start(["sh", "-c", shell.replace("$ARGS", args.join(" "))], {
    env: { VICTIM: victim("mirror_flood") },
  });
  terminal.expect("ready ");
  return terminal;
}

function assertWriters(
  bytes: Uint8Array<ArrayBuffer>,
  ids: readonly number[],
  each: number,
  largest: number,
): void {
  const wanted = new Map(ids.map((id) => [id, expectedWriter(id, each, largest)]));
  assertEquals(new Map([...checkRecords(bytes)].sort(([a], [b]) => a - b)), wanted);
}

describeEngines("procout is exact", () => {
  afterEach(assertNoneLeft);

  requiresCompiler("with 100 MB of 4 threads and 2 children: none lost, none doubled", () => {
    const each = Math.ceil(100 * MB / 6);
    using target = flood("exec $VICTIM $ARGS >/dev/null", each, 4, 2, 60_000);
    using procout = Procout.watch(target.pid, ["-f"]);
    target.line("go");
    procout.expectEnd(0, 120_000);
    assertWriters(procout.bytes(), [0, 1, 2, 3, 100, 101], each, 60_000);
    assertEquals(target.expectExit(), { kind: "exited", status: 0 });
  });

  for (const window of [4096, 65_536]) {
    requiresCompiler(`with memory that was never touched, ${window} bytes at a time`, () => {
      using cleanup = new DisposableStack();
      const path = Deno.makeTempFileSync({ prefix: "procout-" });
      cleanup.defer(() => Deno.removeSync(path));
      const bytes = Uint8Array.from(
        { length: MB },
        (_, index) => Math.imul(index, 0x9e3779b1) >>> 24,
      );
      Deno.writeFileSync(path, bytes);

      using command = Procout.start(["--", victim("mirror_untouched"), path, window, "gone"]);
      command.expectEnd();
      assertEquals(command.messages, "");
      assert(equal(command.bytes(), bytes), "the command's bytes");

      const words = `"${victim("mirror_untouched")}" "${path}" ${window} kept wait`;
      using target = Terminal.start(["sh", "-c", `exec ${words} >/dev/null`]);
      target.expect("ready ");
      using procout = Procout.watch(target.pid);
      target.line("go");
      target.expect("done");
      procout.signal(SIGINT);
      procout.expectEnd();
      assert(equal(procout.bytes(), bytes), "the process' bytes");
      target.line("end");
      assertEquals(target.expectExit(), { kind: "exited", status: 0 });
    });
  }

  requiresCompiler("with writes of up to 2 MB", () => {
    using target = flood("exec $VICTIM $ARGS >/dev/null", 20 * MB, 1, 0, 2 * MB);
    using procout = Procout.watch(target.pid, ["--stats"]);
    target.line("go");
    procout.expectEnd(0, 120_000);
    assertWriters(procout.bytes(), [0], 20 * MB, 2 * MB);
    assert(procout.messages.includes("lost bytes: 0"), procout.messages);
  });

  requires("cc", "python3")("with partial writes into a slow pipe", () => {
    const slow = "import os, time\nwhile os.read(0, 3000): time.sleep(0.001)";
    using target = flood(`$VICTIM $ARGS | python3 -c '${slow}'`, 2 * MB, 2, 0, 200_000);
    const pid = waitUntil(
      "the victim",
      () => Number(/ready (\d+)/.exec(target.output)?.[1]),
    );
    using procout = Procout.watch(pid);
    target.line("go");
    procout.expectEnd(0, 120_000);
    // Two threads that write more than a pipe holds mix their records there, and so they are mixed in the mirror.
    const [one, two] = [0, 1].map((id) => expectedWriter(id, 2 * MB, 200_000).bytes);
    assertEquals(procout.bytes().length, one! + two!);
  });

  requires("cc", "python3")("while the reader of the mirror is slower than the target", () => {
    using target = flood("exec $VICTIM $ARGS >/dev/null", 3 * MB, 1, 0, 60_000);
    const folder = Deno.makeTempDirSync({ prefix: "reptyr-reader-" });
    const [pipe, copy] = [`${folder}/pipe`, `${folder}/copy`];
    try {
      assert(makeFifo(pipe));
      using reader = Terminal.start(["python3", "-c", SLOW_COPY, pipe, copy]);
      using procout = Procout.watch(target.pid, ["-o", pipe]);
      target.line("go");
      procout.expectEnd(0, 120_000);
      reader.expectExit();
      assertWriters(Deno.readFileSync(copy), [0], 3 * MB, 60_000);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  });

  requiresCompiler("with 10 000 threads that live for one line each", () => {
    using target = startVictim("mirror_threads", ["many", 10_000]);
    using procout = Procout.watch(target.pid);
    target.line("go");
    procout.expectEnd(0, 120_000);
    const numbers = procout.stdout.trim().split("\n").map((line) => Number(line.split(" ")[1]));
    assertEquals(numbers.length, 10_000);
    assertEquals(
      numbers.sort((a, b) => a - b),
      Array.from({ length: 10_000 }, (_, index) => index),
    );
    assertEquals(procout.messages, "");
    assertEquals(target.expectExit(), { kind: "exited", status: 0 });
  });

  requiresCompiler("after the first thread has exited", () => {
    using target = startVictim("mirror_threads", ["leader"]);
    using procout = Procout.watch(target.pid);
    target.line("go");
    procout.expectEnd();
    assertEquals(procout.stdout, "the first thread has exited\nand this one writes on\n");
    assertEquals(target.expectExit(), { kind: "exited", status: 0 });
  });

  requiresCompiler("when a thread that is not the first runs another program", () => {
    using target = startVictim("mirror_threads", ["exec"]);
    using procout = Procout.watch(target.pid);
    target.line("go");
    procout.expectEnd();
    assertEquals(procout.stdout, "before\nexecuted\n");
    assertEquals(target.expectExit(), { kind: "exited", status: 0 });
  });

  requiresCompiler("about children, with --follow only", () => {
    const children = "by vfork\nby fork\nby clone3\nby clone with another signal\n";
    for (const [options, wanted] of [[[], "end\n"], [["-f"], `${children}end\n`]] as const) {
      using target = startVictim("mirror_threads", ["children"]);
      using procout = Procout.watch(target.pid, options);
      target.line("go");
      procout.expectEnd();
      assertEquals(procout.stdout, wanted);
      assert(target.output.includes("by clone with another signal"), "its child was held");
      assertEquals(target.expectExit(), { kind: "exited", status: 0 });
    }
  });

  requiresCompiler("about children that exist already, and several processes at once", () => {
    using one = Terminal.start(["sh", "-c", "cat & read line; echo one; wait"]);
    using two = Terminal.start(["sh", "-c", "read line; echo two"]);
    waitUntil("its child", () => (readProcText(one.pid, one.pid, "children") ?? "") !== "");
    using procout = Procout.watch(one.pid, ["-f", two.pid, one.pid]);
    two.line("");
    procout.untilStdout("two\n");
    one.line("");
    procout.untilStdout("one\n");
    procout.signal(SIGINT);
    procout.expectEnd();
    assertEquals(procout.stdout, "two\none\n");
  });

  requiresCompiler("until the target is killed", () => {
    using target = startVictim("command");
    using procout = Procout.watch(target.pid);
    target.child.handle.signal(SIGKILL);
    procout.expectEnd();
    assertEquals(target.expectExit(), { kind: "signaled", signal: SIGKILL });
  });
});
