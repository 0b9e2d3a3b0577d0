/** The terminal put right when nothing is known of its state. Pure. */

/**
 * For a terminal that a program in raw mode has just left, when nothing is known of its state: resets most modes that such
 * a program may have set, and is harmless where they were not set. Nothing is erased.
 */
export const BLIND_RESET: string = [
  // Before CSI m: a terminal that does not know the marker takes this for underlining.
  "\x1b[>4m",
  "\x1b[?1000;1002;1003;1004;1005;1006;1015;1016;2004;2026l",
  // DECSTBM moves the cursor.
  "\x1b7\x1b[r\x1b8",
  // Where the main screen is shown this puts the cursor back to where it just was saved, and nowhere else. Where the
  // alternate one is, that has a place of its own for the saved cursor.
  "\x1b7\x1b[?1049l",
  "\x1b[?1l\x1b>\x1b[4l\x1b[?7h\x1b[?25h",
  "\x1b(B\x0f\x1b[m",
].join("");
