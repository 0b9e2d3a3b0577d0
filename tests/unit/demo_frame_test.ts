import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { frame, shorten } from "../../scripts/demo_frame.ts";

describe("shorten", () => {
  it("keeps what fits, and pairs of equal rows", () => {
    assertEquals(shorten(["a", "b", "b", "c"]), ["a", "b", "b", "c"]);
  });

  it("counts the rows that repeat the one before", () => {
    assertEquals(shorten(["a", "", "", "", "", "z"]), ["a", "", 3, "z"]);
  });

  it("leaves out the middle of a long screen, with the rows left out before in its count", () => {
    const lines = [..."abcdefghi", ..."j~~~~k", ..."xyz"];
    assertEquals(shorten(lines), [..."abcdefghi", 6, ..."xyz"]);
    assertEquals(lines.length, 9 + 6 + 3);
  });
});

describe("frame", () => {
  it("puts the lines between bars as wide as the screen", () => {
    assertEquals(frame(["one", "", "", ""], 12, "A: 4x12"), [
      "┌─ A: 4x12 ──┐",
      "│one         │",
      "│            │",
      "┊ (2 more)   ┊",
      "└────────────┘",
    ]);
  });
});
