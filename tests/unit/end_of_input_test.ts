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
  it("waits until all input is read, then types the end-of-file key for a reader", () => {
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

  it("types an unfinished line before the end-of-file key", () => {
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

  it("starts over when the terminal mode changes", () => {
    follows(false, [
      ["canonical", "later"],
      ["canonical", "later"],
      ["raw", "later"],
      ["raw", "later"],
      ["raw", "type"],
      ["raw", "done"],
    ]);
  });

  it("types one key in raw mode, whether a line is unfinished or not", () => {
    follows(true, [
      ["raw", "later"],
      ["raw", "later"],
      ["raw", "type"],
      ["raw, unread", "done"],
    ]);
  });

  it("watches an unread end-of-file mark, and types the key again when the mark becomes a NUL", () => {
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

  it("types the key again when the mode changed before the kernel took it", () => {
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

  it("types no second end-of-file for the shell of a command that has read the first one", () => {
    follows(false, [
      ["canonical", "later"],
      ["canonical", "later"],
      ["canonical", "type"],
      ["canonical, unread", "patiently"],
      ["raw", "done"],
    ]);
  });
});
