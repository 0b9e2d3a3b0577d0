import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { commandText, readCommand } from "../../src/proc/command.ts";
import { printable, printableJson, shorten } from "../../src/proc/printable.ts";

describe("commandText", () => {
  const table: [string, string, string, string][] = [
    ["puts spaces between the arguments", "vim\0notes.txt\0", "vim", "vim notes.txt"],
    ["keeps empty arguments in the middle", "a\0\0b\0", "a", "a  b"],
    ["names a kernel thread by its name", "", "kworker/0:1", "[kworker/0:1]"],
    ["names a process that cleared its title", "\0\0\0", "x) (y", "[x) (y]"],
    [
      "drops the tail of a title that was overwritten",
      "sshd: me@pts/3\0\0\0\0",
      "sshd",
      "sshd: me@pts/3",
    ],
    [
      "keeps newlines and escapes on one line",
      "sh\0-c\0a\nb\x1b[2J\0",
      "sh",
      "sh -c a\\nb\\x1b[2J",
    ],
    ["makes a name with controls visible", "", "a\n\x07\x9b", "[a\\n\\x07\\x9b]"],
  ];
  for (const [what, cmdline, comm, expected] of table) {
    it(what, () => assertEquals(commandText(cmdline, comm), expected));
  }
});

describe("printable", () => {
  it("escapes characters that would mislead a terminal or a reader", () => {
    assertEquals(
      printable("\t\r\0\x7f\u0085\u2028\u202e\u2066\u061c\u200b\ufeff"),
      "\\t\\r\\x00\\x7f\\x85\\u2028\\u202e\\u2066\\u061c\\u200b\\ufeff",
    );
  });
  it("escapes invisible characters, hidden text among them", () => {
    assertEquals(
      printable("a\u00ad\u180e\u2060\u2064\u206f\ufff9\u{e0001}\u{e0041}\u{e007f}b"),
      "a\\xad\\u180e\\u2060\\u2064\\u206f\\ufff9\\u{e0001}\\u{e0041}\\u{e007f}b",
    );
  });
  it("leaves every other character alone", () => {
    assertEquals(printable("žluťoučký 🐈 \\n \ufffd"), "žluťoučký 🐈 \\n \ufffd");
  });
});

describe("printableJson", () => {
  it("has the value of JSON.stringify(), with nothing invisible in it", () => {
    const value = { text: "a\n\x1b\x7f\u009b2J\u202e\u{e0041} 🐈 ž\u2028\ufeff" };
    const json = printableJson(value);
    assertEquals(JSON.parse(json), value);
    assertEquals(
      json,
      String.raw`{"text":"a\n\u001b\u007f\u009b2J\u202e\udb40\udc41 🐈 ž\u2028\ufeff"}`,
    );
    assertEquals(printableJson([1, "\x85"], 2), `[\n  1,\n  "\\u0085"\n]`);
  });
});

describe("shorten", () => {
  it("cuts only text that is too long, and never inside a character", () => {
    assertEquals([shorten("abc", 3), shorten("abcd", 3), shorten("🐈🐈🐈", 2)], [
      "abc",
      "ab…",
      "🐈…",
    ]);
  });
});

describe("readCommand", () => {
  it("reads this process", () => {
    assert(readCommand(Deno.pid)?.includes("test"));
  });
  it("reads the same through a thread of this process", () => {
    assertEquals(readCommand(Deno.pid, Deno.pid), readCommand(Deno.pid));
  });
  it("says undefined for a process that is gone", () => {
    assertEquals(readCommand(4194305), undefined);
    assertEquals(readCommand(Deno.pid, 4194305), undefined);
  });
});
