/** procout, in short: for machines that are too slow for tests/e2e. */
import { assertEquals } from "@std/assert";
import { afterEach, beforeEach, describe } from "@std/testing/bdd";
import { SIGINT } from "../../src/ffi/constants.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { checkRecords, expectedWriter } from "../support/mirror_records.ts";
import { describeEngines, Procout } from "../support/procout.ts";
import { requiresCompiler, victim } from "../support/programs.ts";
import { DEFAULT_TIMEOUT_MS, Terminal } from "../support/terminal.ts";
import { testTimedCalls } from "../support/timed_calls.ts";
import { startVictim, untilAllBlocked } from "../support/victim.ts";

const BYTES = 300_000;
const LARGEST = 20_000;

/** What goes from one file to another is read back from the first one, or named. */
const BETWEEN_FILES = {
  ptrace: { written: "sendfile\nsendfile at\ncopy_file_range\n", unseen: [] },
  bpf: { written: "", unseen: ["sendfile", "copy_file_range"] },
};

function unseenCalls(messages: string): string[] {
  return messages.split("\n").filter((line) => line !== "")
    .map((line) =>
      /^procout: What process \d+ writes by (\S+) cannot be shown$/.exec(line)?.[1] ?? line
    );
}

describeEngines("procout is exact", (engine) => {
  afterEach(assertNoneLeft);

  requiresCompiler("about every call to a file, write and writev among them", () => {
    using procout = Procout.start(["--", victim("mirror_calls"), "file", "FOLDER"]);
    procout.expectEnd(0, DEFAULT_TIMEOUT_MS);
    const { written, unseen } = BETWEEN_FILES[engine];
    assertEquals(
      procout.stdout,
      `write\n<writev>\npwrite\n<pwritev>\n<pwritev2>\n${written}end\n`,
    );
    assertEquals(unseenCalls(procout.stderr), unseen);
  });

  requiresCompiler("about threads and children at the same time", () => {
    const argv = ["sh", "-c", `exec $VICTIM ${BYTES} 3 2 ${LARGEST} >/dev/null`];
    using target = Terminal.start(argv, { env: { VICTIM: victim("mirror_flood") } });
    target.expect("ready ");
    using procout = Procout.watch(target.pid, ["-f"]);
    target.line("go");
    procout.expectEnd(0, DEFAULT_TIMEOUT_MS);
    const wanted = [0, 1, 2, 100, 101].map((id) =>
      [id, expectedWriter(id, BYTES, LARGEST)] as const
    );
    const seen = [...checkRecords(procout.bytes())].sort(([a], [b]) => a - b);
    assertEquals(seen, wanted.map(([id, writer]) => [id, writer]));
    assertEquals(target.expectExit(), { kind: "exited", status: 0 });
  });

  requiresCompiler("about children of every kind of fork, with --follow", () => {
    using target = startVictim("mirror_threads", ["children"]);
    using procout = Procout.watch(target.pid, ["-f"]);
    target.line("go");
    procout.expectEnd(0, DEFAULT_TIMEOUT_MS);
    const children = "by vfork\nby fork\nby clone3\nby clone with another signal\n";
    assertEquals(procout.stdout, `${children}end\n`);
    assertEquals(target.expectExit(), { kind: "exited", status: 0 });
  });
});

describe("a call that only procout interrupts", () => {
  beforeEach(() => {
    Procout.engine = "ptrace";
  });
  afterEach(assertNoneLeft);

  for (const call of ["epoll_wait", "read-timeout", "futex"]) {
    requiresCompiler(`is made to its end: ${call}`, () => {
      using target = startVictim("blocked", [call]);
      untilAllBlocked(target.pid);
      {
        using procout = Procout.watch(target.pid);
        untilAllBlocked(target.pid);
        procout.signal(SIGINT);
        procout.expectEnd(0, DEFAULT_TIMEOUT_MS);
      }
      untilAllBlocked(target.pid);
      target.line("wake");
      const [text] = target.expect(/result=\S+ errno=\S+ handled=\d+/);
      assertEquals(text.replace(/result=[01] /, "result=R "), "result=R errno=0 handled=0");
    });
  }

  testTimedCalls({
    test: requiresCompiler,
    only: ["epoll_wait", "epoll_pwait2", "sigtimedwait", "recv"],
  });
});
