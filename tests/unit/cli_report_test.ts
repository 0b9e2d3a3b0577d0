import { assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { report, wantsColor } from "../../src/cli/report.ts";
import {
  PtraceError,
  RefusedError,
  StopTimeoutError,
  SyscallError,
  TraceeDiedError,
  UsageError,
} from "../../src/errors.ts";

const plain = { command: "reptyr", verbose: false, color: false } as const;
const EPERM = { errno: 1, code: "EPERM", reason: "operation not permitted" };

describe("report", () => {
  const table: [string, unknown, number, string[]][] = [
    ["a wrong command line", new UsageError("no PID given"), 2, [
      "reptyr: no PID given",
      "Try 'reptyr --help'",
    ]],
    ["a refusal", new RefusedError("Cannot move process 2: it is a kernel thread"), 1, [
      "reptyr: Cannot move process 2: it is a kernel thread",
    ]],
    ["a refusal with remedies", new RefusedError("No", ["Do this", "Or that"]), 1, [
      "reptyr: No",
      "  Do this",
      "  Or that",
    ]],
    ["a failed system call", new SyscallError("pidfd_open(4242)", EPERM), 1, [
      "reptyr: pidfd_open(4242) failed: operation not permitted (EPERM)",
    ]],
    ["a failed request of ptrace(2)", new PtraceError("PTRACE_SEIZE", 4242, EPERM), 1, [
      "reptyr: ptrace(PTRACE_SEIZE, 4242) failed: operation not permitted (EPERM)",
    ]],
    ["a target that ended", new TraceeDiedError(4242), 1, [
      "reptyr: Process 4242 ended while it was being worked on",
    ]],
    ["a target that does not stop", new StopTimeoutError(4242, 4243, 10, "D", "nfs_wait"), 1, [
      "reptyr: Cannot stop process 4242: thread 4243 is in state D (waiting in nfs_wait) and did " +
      "not stop within 10 s",
      "  Try again later, or wait longer with --timeout=SECONDS",
    ]],
    ["a defect", new TypeError("x is not\na function"), 1, [
      "reptyr: Unexpected error: TypeError: x is not\\na function",
      "  This is a defect: run it again with --verbose and report what it says",
    ]],
    ["something thrown that is no error", "text\x1b[2J", 1, [
      "reptyr: Unexpected error: text\\x1b[2J",
      "  This is a defect: run it again with --verbose and report what it says",
    ]],
  ];
  for (const [what, error, status, lines] of table) {
    it(`words ${what}`, () => assertEquals(report(error, plain), { lines, status }));
  }

  it("names the command that was called", () => {
    assertEquals(report(new UsageError("no"), { ...plain, command: "procout" }).lines, [
      "procout: no",
      "Try 'procout --help'",
    ]);
  });

  it("shows a stack only with --verbose, and never for a refusal", () => {
    const defect = report(new TypeError("no"), { ...plain, verbose: true });
    assertEquals(defect.lines[0], "reptyr: Unexpected error: TypeError: no");
    assertMatch(defect.lines[1] ?? "", /^ {4}at .*cli_report_test\.ts/);
    assertEquals(report(new RefusedError("no"), { ...plain, verbose: true }).lines, ["reptyr: no"]);
    assertEquals(report(new UsageError("no"), { ...plain, verbose: true }).lines.length, 2);
  });

  it("colours the name of the command alone, and nothing where NO_COLOR is set", () => {
    const { lines } = report(new RefusedError("no", ["do"]), { ...plain, color: true });
    // @std/fmt/colors obeys NO_COLOR by itself, which may be set where the tests run.
    const name = Deno.noColor ? "reptyr:" : "\x1b[1m\x1b[31mreptyr:\x1b[39m\x1b[22m";
    assertEquals(lines, [`${name} no`, "  do"]);
  });
});

describe("wantsColor", () => {
  it("wants it on a terminal, unless NO_COLOR is set", () => {
    assertEquals(
      [
        wantsColor(true, undefined),
        wantsColor(true, ""),
        wantsColor(true, "1"),
        wantsColor(true, "0"),
        wantsColor(false, undefined),
      ],
      [true, true, false, false, false],
    );
  });
});
