import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { hasEnded, isOver, lookWithPauses } from "../../src/proc/second_look.ts";
import { readStat } from "../../src/proc/stat.ts";

/** What comes of looks that show `answers`, the last again and again, and how many there were. */
function look(...answers: readonly string[]): { found: string; looks: number; pauses: number } {
  let [looks, pauses] = [0, 0];
  const found = lookWithPauses(
    () => answers[Math.min(looks++, answers.length - 1)]!,
    (answer) => answer.startsWith("no"),
    () => void pauses++,
  );
  return { found, looks, pauses };
}

describe("lookWithPauses", () => {
  it("looks once, without a pause, where nothing is refused", () => {
    assertEquals(look("yes"), { found: "yes", looks: 1, pauses: 0 });
  });

  it("takes the first answer that is no refusal", () => {
    assertEquals(look("no", "no", "yes", "no"), { found: "yes", looks: 3, pauses: 2 });
  });

  it("gives the last reason of a few that are all refusals", () => {
    assertEquals(look("no: it is exiting", "no: it is traced"), {
      found: "no: it is traced",
      looks: 5,
      pauses: 4,
    });
  });
});

describe("isOver", () => {
  const now = readStat(Deno.pid)!;
  const { startTime } = now;

  it("says so of a process that is gone, is another, or of which no thread lives", () => {
    assertEquals(isOver(startTime, undefined, () => true), true);
    assertEquals(isOver(startTime - 1n, now, () => true), true);
    assertEquals(isOver(startTime, now, () => false), true);
    assertEquals(isOver(startTime, now, () => true), false);
  });

  it("is asked of the process itself", () => {
    assertEquals(hasEnded({ pid: Deno.pid, startTime }), false);
    assertEquals(hasEnded({ pid: 4194305, startTime }), true); // above PID_MAX_LIMIT
  });
});
