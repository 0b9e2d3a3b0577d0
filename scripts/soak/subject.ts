/** Who is moved: one storm.c, as it is started by a user, with what is known of its processes. */
import { join } from "@std/path";
import { usleep } from "../../src/ffi/process.ts";
import { descendantsOf, ProcessHandle } from "../../tests/support/child.ts";
import { startOnTerminal, untilForeground } from "../../tests/support/jobs_moved.ts";
import { victim } from "../../tests/support/programs.ts";
import { type Terminal, waitUntil } from "../../tests/support/terminal.ts";
import { factsOf, tracersOf } from "./facts.ts";
import { type Facts, standing } from "./judge.ts";
import { CALLS, type Page, PAGE_SIZE, PAGES, parsePages } from "./page.ts";
import type { Random } from "./random.ts";

const MODES = ["plain", "family", "threads", "children", "exec"] as const;
const SHAPES = ["session leader", "foreground job"] as const;

/** Of a process that has not begun. */
const NOTHING: Page = {
  pid: 0,
  rounds: 0,
  corrupt: 0,
  signals: [],
  calls: CALLS.map(() => ({ returned: 0, interrupted: 0, failed: 0, error: 0 })),
  childStatus: undefined,
};

/** Masks of threads that last are the same at so many looks. */
const LOOKS = 20;
const BETWEEN_US = 2000;

/** Where subjects keep what they need. */
export interface Ground {
  readonly folder: string;
  /** The number of a semaphore array: semget(2). */
  readonly semaphore: number;
}

export class Subject implements Disposable {
  readonly mode: typeof MODES[number];
  readonly shape: typeof SHAPES[number];
  readonly old: Terminal;
  /** The one that reptyr is asked for. */
  readonly target: number;
  readonly pids: readonly number[];
  readonly isRestless: boolean;
  readonly #file: string;
  readonly #handles: readonly ProcessHandle[];
  readonly #stack = new DisposableStack();
  readonly #masks = new Map<number, readonly string[]>();

  constructor(random: Random, { folder, semaphore }: Ground) {
    this.mode = random.pick(MODES);
    this.shape = random.pick(SHAPES);
    this.isRestless = this.mode === "threads" || this.mode === "children";
    this.#file = join(folder, "pages");
    Deno.writeFileSync(this.#file, new Uint8Array(PAGES * PAGE_SIZE));
    using stack = new DisposableStack();
    const argv = [victim("storm"), this.#file, this.mode, String(semaphore)];
    this.old = stack.use(startOnTerminal(this.shape, argv));
    this.old.expect("ready");
    const count = this.mode === "family" ? 3 : 1;
    const pages = waitUntil("the subject to run", () => {
      const pages = this.pages();
      return pages.length === count && pages.every((page) =>
        standing(NOTHING, page).length === 0
      ) &&
        pages;
    });
    this.pids = pages.map(({ pid }) => pid);
    this.#handles = this.pids.map((pid) => stack.use(new ProcessHandle(pid)));
    this.target = this.shape === "session leader" ? this.pids[0]! : random.pick(this.pids);
    untilForeground(this.target);
    for (const pid of this.pids) this.#masks.set(pid, this.#lastingMasks(pid));
    this.#stack.use(stack.move());
  }

  get name(): string {
    const nth = this.pids.indexOf(this.target);
    return `${this.mode}, ${this.shape}${nth > 0 ? `, moved by process ${nth + 1}` : ""}`;
  }

  pages(): Page[] {
    return parsePages(Deno.readFileSync(this.#file));
  }

  handle(pid: number): ProcessHandle {
    return this.#handles[this.pids.indexOf(pid)]!;
  }

  /** What is known of each now; of the threads, of those that last. */
  facts(): Facts[] {
    return this.pages().map((page) => {
      const options = { isTarget: page.pid === this.target, isRestless: this.isRestless };
      const facts = factsOf(page, options);
      const lasting = new Set(this.#masks.get(page.pid)?.map((mask) => mask.split(":")[0]));
      const masks = facts.masks.filter((mask) => lasting.has(mask.split(":")[0]));
      return { ...facts, masks };
    });
  }

  /** The masks that they had at first, as `Facts.masks`. */
  firstMasks(pid: number): readonly string[] {
    return this.#masks.get(pid)!;
  }

  /** Nobody traces any of them, or they have ended. */
  get isFree(): boolean {
    return this.pids.every((pid) => tracersOf(pid).length === 0);
  }

  #lastingMasks(pid: number): readonly string[] {
    const page = this.pages().find((one) => one.pid === pid)!;
    const look = () => factsOf(page, { isTarget: false, isRestless: true }).masks;
    let lasting: readonly string[] = look();
    for (let count = 0; count < LOOKS; count++) {
      usleep(BETWEEN_US);
      const now = new Set(look());
      lasting = lasting.filter((mask) => now.has(mask));
    }
    return lasting;
  }

  /** Ends all of them, and the shell. */
  [Symbol.dispose](): void {
    using _ = this.#stack;
    const others = this.pids.flatMap(descendantsOf).flatMap((pid) => {
      try {
        return [this.#stack.use(new ProcessHandle(pid))];
      } catch {
        return []; // It ended meanwhile.
      }
    });
    for (const handle of [...this.#handles, ...others]) handle.end();
    for (const handle of [...this.#handles, ...others]) {
      if (!handle.waitForEnd(20_000)) throw new Error(`Process ${handle.pid} survives SIGKILL`);
    }
  }
}
