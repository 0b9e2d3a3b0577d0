/**
 * When to type end of file, VEOF, after a text that came to its end. Pure.
 *
 * Not at once: VEOF is a mark in the queue that becomes a NUL byte when a program turns canonical mode off
 * (docs/kernel-notes.md#veof-is-a-mark-in-the-queue). Typed in raw mode it is the byte that a shell that edits lines takes
 * for the end, and that a later reader of lines would read. So it is typed when all before it has been read and the mode
 * has lasted; and once more if the mark has become a NUL.
 */

/** What a look at the pty shows. */
export interface Look {
  /** Whether the programs there have read all that was typed, but for the beginning of a line. */
  readonly isRead: boolean;
  /** ICANON: the kernel edits lines for its readers. */
  readonly isCanonical: boolean;
}

/**
 * `later`: look again after a while; `patiently`: after a longer while, each time. `type`: VEOF, now, and look again as
 * soon as it is typed. `done`: there is no more to do.
 */
export type Step = "later" | "patiently" | "type" | "done";

/** A program that has read a line may be about to change the mode: so many looks in a row must show the same. */
const SETTLED_LOOKS = 3;

export class EndOfInput {
  #isUnfinished: boolean;
  /** `settling`: to be typed. `typed`: just now. `marked`: there was a mark in the queue. */
  #phase: "settling" | "typed" | "marked" = "settling";
  #last: Look | undefined;
  #same = 0;
  #wasUnread = false;

  /** `isUnfinished`: the text ends within a line, which takes a VEOF of its own to reach its reader. */
  constructor(isUnfinished: boolean) {
    this.#isUnfinished = isUnfinished;
  }

  /** What to do after a look. */
  next(look: Look): Step {
    switch (this.#phase) {
      case "settling":
        return this.#settle(look);
      case "typed":
        return this.#confirm(look);
      case "marked":
        return this.#watch(look);
    }
  }

  #settle(look: Look): Step {
    this.#same = look.isRead && this.#last?.isCanonical === look.isCanonical ? this.#same + 1 : 1;
    this.#last = look.isRead ? look : undefined;
    if (!look.isRead) return "patiently";
    if (this.#same < SETTLED_LOOKS) return "later";
    if (!look.isCanonical || !this.#isUnfinished) this.#phase = "typed";
    else this.#restart();
    return "type";
  }

  /** This line is the reader's, and the end is still to be typed; or that has to be typed again. */
  #restart(): void {
    this.#phase = "settling";
    this.#isUnfinished = false;
    this.#last = undefined;
  }

  /** The kernel takes what is typed a moment later: the mode may have changed by then. */
  #confirm({ isCanonical }: Look): Step {
    const wasCanonical = this.#last?.isCanonical ?? false;
    if (!isCanonical && !wasCanonical) return "done";
    if (isCanonical) this.#phase = "marked";
    else this.#restart();
    this.#wasUnread = !wasCanonical;
    return "patiently";
  }

  /** A program that waited for VEOF has read it by the first look. A later reader may find a NUL in its place. */
  #watch({ isRead, isCanonical }: Look): Step {
    if (!isCanonical && (!isRead || this.#wasUnread)) {
      this.#restart();
      return "later";
    }
    if (isRead) return "done";
    this.#wasUnread = true;
    return "patiently";
  }
}
