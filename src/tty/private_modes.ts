/** DEC private modes that programs set on a terminal: xterm's control sequences, ctlseqs(7). Pure. */

/** DEC private modes, `CSI ? N h` and `CSI ? N l`: the state that a shell's prompt expects. */
export const PRIVATE_MODES: ReadonlyMap<number, boolean> = new Map([
  [1, false], // DECCKM, cursor keys as ESC O A
  [5, false], // DECSCNM, reverse video
  [7, true], // DECAWM, automatic wrap
  [9, false], // mouse: presses
  [25, true], // DECTCEM, the cursor is shown
  [47, false], // alternate screen
  [66, false], // DECNKM, keypad
  [1000, false], // mouse: presses and releases
  [1001, false], // mouse: highlighting
  [1002, false], // mouse: dragging
  [1003, false], // mouse: all motion
  [1004, false], // reports of focus
  [1005, false], // mouse coordinates in UTF-8
  [1006, false], // mouse coordinates in decimal
  [1015, false], // mouse coordinates as urxvt has them
  [1016, false], // mouse coordinates in pixels
  [1047, false], // alternate screen
  [1049, false], // alternate screen, with the cursor saved
  [2004, false], // bracketed paste
  [2026, false], // synchronized output
  [2031, false], // reports of the colour scheme
  [2048, false], // reports of the size
]);

/** The modes that show the alternate screen. */
export const ALTERNATE_SCREENS: readonly number[] = [47, 1047, 1049];

/** The sequence that sets a private mode, or resets it. */
export function privateMode(number: number, on: boolean): string {
  return `\x1b[?${number}${on ? "h" : "l"}`;
}
