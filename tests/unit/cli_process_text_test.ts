import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { jsonText, listText, type Style, whyText } from "../../src/cli/process_text.ts";
import { cutToWidth, padToWidth, textWidth } from "../../src/cli/text_width.ts";
import { byTerminal, type ProcessReport } from "../../src/reptyr/inspect/process_report.ts";

const VIM: ProcessReport = {
  pid: 4242,
  uid: 1000,
  user: "alice",
  terminal: "pts/3",
  terminalGone: false,
  terminalElsewhere: false,
  state: "S",
  command: "vim notes.txt",
  members: 1,
  can: true,
  reason: null,
  remedies: [],
  warnings: [],
};
const MAKE: ProcessReport = {
  ...VIM,
  pid: 1234567,
  user: "a_very_long_user_name",
  terminal: "pts/12",
  terminalGone: true,
  state: "T",
  command: "make -j4 all",
  members: 12,
  can: false,
  reason: "Cannot move process 1234567 (make -j4 all): it shares its job with 4243 (cc1)",
  remedies: ["Once the others have ended, it can be moved", "Something else"],
  warnings: ["Process 1234567 is warm"],
};
const PLAIN: Style = { width: undefined, color: false };
const lines = (text: string) => text.replace(/\n$/, "").split("\n");

describe("listText", () => {
  it("aligns the columns, and puts the reason and the first remedy below", () => {
    assertEquals(lines(listText([VIM, MAKE], PLAIN)), [
      "    PID  USER              TERMINAL       STATE  JOB  MOVE    COMMAND",
      "   4242  alice             pts/3          S        1  can     vim notes.txt",
      "1234567  a_very_long_use…  pts/12 (gone)  T       12  cannot  make -j4 all",
      "         it shares its job with 4243 (cc1)",
      "         Once the others have ended, it can be moved",
    ]);
  });

  it("cuts the command to the width of the terminal, and never the reason", () => {
    const long = { ...VIM, command: "x".repeat(200) };
    const reason = "y".repeat(300);
    const [, first, , second] = lines(
      listText([long, { ...MAKE, remedies: [], reason }, long], { ...PLAIN, width: 100 }),
    );
    assertEquals([first!.length, first!.at(-1)], [100, "…"]);
    assertEquals(second, `         ${reason}`);
  });

  it("shows something of the command on the narrowest terminal", () => {
    const [, row] = lines(listText([VIM], { ...PLAIN, width: 20 }));
    assertEquals(row, "   4242  alice  pts/3     S        1  can   vim notes…");
  });

  it("keeps columns of wide characters in line", () => {
    const text = listText([{ ...VIM, user: "王", command: "王王王王王王" }, VIM], {
      ...PLAIN,
      width: 50,
    });
    assertEquals(lines(text).slice(1), [
      "   4242  王     pts/3     S        1  can   王王王王…",
      "   4242  alice  pts/3     S        1  can   vim notes…",
    ]);
  });

  it("prints the heading alone when there is no process", () => {
    assertEquals(lines(listText([], PLAIN)), [
      "    PID  USER  TERMINAL  STATE  JOB  MOVE  COMMAND",
    ]);
  });

  it("prints a reason that names no process as it is", () => {
    const reason = "Target is not connected to a terminal";
    assertEquals(
      lines(listText([{ ...MAKE, reason, remedies: [] }], PLAIN))[2],
      `         ${reason}`,
    );
  });

  it("adds colours when they are wanted, and changes no text", () => {
    const text = listText([VIM, MAKE], { ...PLAIN, color: true });
    // deno-lint-ignore no-control-regex
    assertEquals(text.replace(/\x1b\[\d+m/g, ""), listText([VIM, MAKE], PLAIN));
    // @std/fmt/colors obeys NO_COLOR by itself, which may be set where the tests run.
    assertEquals(text.includes("\x1b[32mcan   \x1b[39m"), !Deno.noColor);
  });
});

describe("whyText", () => {
  it("says how to move a process that can be moved", () => {
    assertEquals(lines(whyText(VIM, PLAIN)), [
      "PID       4242",
      "Command   vim notes.txt",
      "User      alice",
      "Terminal  pts/3",
      "State     S (sleeping)",
      "Job       1 process",
      "Move      can: run `reptyr 4242` in the terminal where you want it",
    ]);
  });

  it("gives the reason in the words of `reptyr PID`, with all remedies and warnings", () => {
    assertEquals(lines(whyText(MAKE, { ...PLAIN, width: 21 })), [
      "PID       1234567",
      "Command   make -j4 a…",
      "User      a_very_long_user_name",
      "Terminal  pts/12 (gone)",
      "State     T (stopped by job control)",
      "Job       12 processes",
      "Move      cannot",
      "Cannot move process 1234567 (make -j4 all): it shares its job with 4243 (cc1)",
      "  Once the others have ended, it can be moved",
      "  Something else",
      "Warning: Process 1234567 is warm",
    ]);
  });

  it("leaves out facts that are unknown", () => {
    const gone: ProcessReport = {
      ...VIM,
      ...{ uid: null, user: null, terminal: null, state: null, command: null, members: null },
      can: false,
      reason: "Cannot move process 4242: no such process",
    };
    assertEquals(lines(whyText(gone, PLAIN)), [
      "Move      cannot",
      "Cannot move process 4242: no such process",
    ]);
    const none = lines(whyText({ ...VIM, terminal: null }, PLAIN));
    assertEquals(none[3], "Terminal  none");
  });
});

describe("jsonText", () => {
  it("is one JSON value and keeps every field", () => {
    assertEquals(JSON.parse(jsonText([VIM, MAKE])), [VIM, MAKE]);
    assertEquals(JSON.parse(jsonText(VIM)), VIM);
    assertEquals(jsonText([]), "[]\n");
  });
});

describe("byTerminal", () => {
  it("orders by terminal number, terminals that are gone last, then by PID", () => {
    const at = (terminal: string, pid: number, terminalGone = false) => ({
      ...VIM,
      terminal,
      pid,
      terminalGone,
    });
    const sorted = [
      at("pts/2", 9),
      at("pts/2", 10),
      at("pts/2", 3, true),
      at("pts/10", 1),
      at("tty1", 2),
    ];
    assertEquals(sorted.toReversed().sort(byTerminal), sorted);
  });
});

describe("textWidth", () => {
  it("counts columns", () => {
    assertEquals(["abc", "王a", "e\u0301", "🎉", ""].map(textWidth), [3, 3, 1, 2, 0]);
  });
  it("cuts and pads by columns", () => {
    assertEquals(
      [cutToWidth("abcd", 4), cutToWidth("abcde", 4), cutToWidth("王王", 3), cutToWidth("abc", 1)],
      ["abcd", "abc…", "王…", "…"],
    );
    assertEquals([padToWidth("王", 4), padToWidth("abcde", 4)], ["王  ", "abcde"]);
  });
});
