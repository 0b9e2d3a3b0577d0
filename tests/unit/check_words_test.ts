import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { checkWords } from "../../scripts/check_words.ts";

describe("checkWords", () => {
  it("names the place and the word to write instead", () => {
    assertEquals(checkWords("docs/a.md", "Fine.\nTell whoever asks.\n"), [
      'docs/a.md:2: "whoever": name the process, thread or user',
    ]);
  });

  it("finds each word of the list, in any case", () => {
    const text = "Whom\nLest\nit begets\nand so be it\nbegotten\n";
    assertEquals(
      checkWords("a.ts", text).map((line) => /"(.*?)"/.exec(line)?.[1]),
      ["Whom", "Lest", "begets", "so be it", "begotten"],
    );
  });

  it("finds the names of commands in the layers below them, and nowhere else", () => {
    const text = "Ends this reptyr.\nCannot move process 1\nwatched by Procout\nmoves a byte\n";
    assertEquals(
      checkWords("src/tracee/a.ts", text).map((line) => /"(.*?)"/.exec(line)?.[1]),
      ["reptyr", "Cannot move", "Procout"],
    );
    assertEquals(checkWords("src/reptyr/a.ts", text), []);
  });

  it("leaves words that only hold one of them", () => {
    assertEquals(checkWords("a.ts", "whomping celestial begotto forgets\n"), []);
  });
});
