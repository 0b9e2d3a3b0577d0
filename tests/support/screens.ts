/** Full-screen programs of screen_modes_*_test.ts: how they are started, and how one sees that all is right. */
import { assertEquals } from "@std/assert";
import { PROMPT } from "./on_terminal.ts";
import type { Terminal } from "./terminal.ts";

/** Line N of it holds `line N.` */
export function numberedLines(count: number): string {
  return Array.from({ length: count }, (_, index) => `line ${index + 1}.\n`).join("");
}

/** Where the cursor keys are told to be DECCKM's, they are: `ESC O A`. */
export function arrow(terminal: Terminal, direction: "Up" | "Down" | "Right" | "Left"): void {
  const letter = { Up: "A", Down: "B", Right: "C", Left: "D" }[direction];
  terminal.type(`\x1b${terminal.screen.modes.has("?1") ? "O" : "["}${letter}`);
}

/** Bash with readline switches it at its prompt itself. */
const OF_THE_PROMPT = "?2004";

/** The terminal shows its main screen, and what was set on it is not set any more. */
export function assertScreenRight(terminal: Terminal): void {
  const { alternate, modes } = terminal.screen;
  const set = [...modes].filter((mode) => mode !== OF_THE_PROMPT);
  assertEquals({ alternate, set }, { alternate: false, set: [] }, terminal.describe());
}

/** As {@linkcode assertScreenRight}, with a shell's prompt below `before`, which was there before the program. */
export function expectPromptBelow(shell: Terminal, before: string): void {
  shell.expectScreen(({ lines, cursor }) =>
    lines.some((line) => line.includes(before)) && lines[cursor.row] === PROMPT.trimEnd()
  );
  assertScreenRight(shell);
  shell.line("echo $((6 * 7))");
  shell.expectScreen(({ lines }) => lines.includes("42"));
}
