import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EndOfInput, type Look, type Step } from "../../src/tty/end_of_input.ts";

const LOOKS: Readonly<Record<string, Look>> = {
  "canonical": { isRead: true, isCanonical: true },
  "canonical, unread": { isRead: false, isCanonical: true },
  "raw": { isRead: true, isCanonical: false },
  "raw, unread": { isRead: false, isCanonical: false },
};

/** The steps after `looks`, by name. */
function steps(isUnfinished: boolean, looks: readonly string[]): Step[] {
  const end = new EndOfInput(isUnfinished);
  return looks.map((name) => end.next(LOOKS[name]!));
}

/** A table of looks, each with the step it leads to. */
function follows(isUnfinished: boolean, table: readonly (readonly [string, Step])[]): void {
  assertEquals(steps(isUnfinished, table.map(([look]) => look)), table.map(([, step]) => step));
}

describe("EndOfInput", () => {
  it("waits until all is read, then types the end for a reader that takes it", () => {
    follows(false, [
      ["canonical, unread", "patiently"],
      ["canonical, unread", "patiently"],
      ["canonical", "later"],
      ["canonical", "later"],
      ["canonical", "type"],
      ["canonical, unread", "patiently"],
      ["canonical", "done"],
    ]);
  });

  it("hands over an unfinished line before the end", () => {
    follows(true, [
      ["canonical", "later"],
      ["canonical", "later"],
      ["canonical", "type"],
      ["canonical, unread", "patiently"],
      ["canonical", "later"],
      ["canonical", "later"],
      ["canonical", "type"],
      ["canonical", "patiently"],
      ["canonical", "done"],
    ]);
  });

  it("begins anew when the mode changes", () => {
    follows(false, [
      ["canonical", "later"],
      ["canonical", "later"],
      ["raw", "later"],
      ["raw", "later"],
      ["raw", "type"],
      ["raw", "done"],
    ]);
  });

  it("types no more than a key in raw mode, a line unfinished or not", () => {
    follows(true, [
      ["raw", "later"],
      ["raw", "later"],
      ["raw", "type"],
      ["raw, unread", "done"],
    ]);
  });

  it("keeps watching a mark that nobody reads, and types again when it becomes a NUL", () => {
    const typed: [string, Step][] = [
      ["canonical", "later"],
      ["canonical", "later"],
      ["canonical", "type"],
      ["canonical, unread", "patiently"],
      ["canonical, unread", "patiently"],
    ];
    const again: [string, Step][] = [
      ["raw", "later"],
      ["raw", "later"],
      ["raw", "type"],
      ["raw", "done"],
    ];
    follows(false, [...typed, ["raw, unread", "later"], ...again]);
    follows(false, [...typed, ["raw", "later"], ...again]);
    follows(false, [...typed, ["canonical, unread", "patiently"], ["canonical", "done"]]);
  });

  it("types again when the mode changed before the kernel took the key", () => {
    follows(false, [
      ["canonical", "later"],
      ["canonical", "later"],
      ["canonical", "type"],
      ["raw", "patiently"],
      ["raw", "later"],
      ["raw", "later"],
      ["raw", "type"],
      ["raw", "done"],
    ]);
  });

  it("takes the key for a mark when canonical mode came before the kernel took it", () => {
    follows(false, [
      ["raw", "later"],
      ["raw", "later"],
      ["raw", "type"],
      ["canonical, unread", "patiently"],
      ["raw", "later"],
    ]);
  });

  it("leaves the end with a command that read it at once, although its shell is back", () => {
    follows(false, [
      ["canonical", "later"],
      ["canonical", "later"],
      ["canonical", "type"],
      ["canonical, unread", "patiently"],
      ["raw", "done"],
    ]);
  });
});
