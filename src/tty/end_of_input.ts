/**
 * When to type end of file, VEOF, after a text that came to its end. Pure.
 *
 * Not at once. In canonical mode VEOF becomes a mark in the queue, and a mark that is still there when a program
 * turns canonical mode off becomes a NUL byte, n_tty_set_termios() in drivers/tty/n_tty.c: a shell that edits lines
 * itself would never see the end that was typed while its command ran. Typed in raw mode it is the byte that such a
 * program takes for the end, and one that later reads lines would read that byte. So it is typed when all before it
 * has been read and the mode has lasted; and once more if the mark was seen to become a NUL.
 */

/** What there is to be seen on the pty. */
export interface Look {
  /** Whether the programs there have read all that was typed, but for the beginning of a line. */
  readonly isRead: boolean;
  /** ICANON: the kernel edits lines for its readers. */
  readonly isCanonical: boolean;
}

/** `wait`: look again later. `type`: VEOF, now. `done`: there is no more to do. */
export type Step = "wait" | "type" | "done";

export class EndOfInput {
  #isUnfinished: boolean;
  #phase: "settling" | "typed" | "done" = "settling";
  #before: Look | undefined;
  #wasUnread = false;

  /** `isUnfinished`: the text ends within a line, which takes a VEOF of its own to reach its reader. */
  constructor(isUnfinished: boolean) {
    this.#isUnfinished = isUnfinished;
  }

  /** Whether VEOF was typed, and has yet to be read. */
  get isTyped(): boolean {
    return this.#phase === "typed";
  }

  /** Whether nothing remains to be done. */
  get isDone(): boolean {
    return this.#phase === "done";
  }

  /** What to do after a look. `type` has been done by the next one. */
  next(look: Look): Step {
    if (this.#phase === "settling") return this.#settle(look);
    if (this.#phase === "typed") this.#watch(look);
    return this.#phase === "done" ? "done" : "wait";
  }

  #settle(look: Look): Step {
    const hasLasted = look.isRead && this.#before?.isCanonical === look.isCanonical;
    this.#before = look.isRead ? look : undefined;
    if (!hasLasted) return "wait";
    this.#before = undefined;
    if (look.isCanonical && this.#isUnfinished) this.#isUnfinished = false;
    else this.#phase = look.isCanonical ? "typed" : "done";
    this.#wasUnread = false;
    return "type";
  }

  /** Someone who waited for it has read it by the first look. Who comes later may find a NUL in its place. */
  #watch({ isRead, isCanonical }: Look): void {
    if (!isCanonical && (!isRead || this.#wasUnread)) {
      this.#isUnfinished = false;
      this.#phase = "settling";
    } else if (isRead) this.#phase = "done";
    else this.#wasUnread = true;
  }
}
