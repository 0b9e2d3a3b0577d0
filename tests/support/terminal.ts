/**
 * Terminals as a person has them: a window that shows what programs write, and a keyboard. All
 * synchronous, because a test's tracer is. Nothing sleeps for a fixed time: waiting is poll(2) on all
 * open terminals at once, so that none of them blocks its programs while another is waited for.
 */
import {
  O_CLOEXEC,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDWR,
  POLLIN,
  POLLOUT,
  TIOCGPTN,
  TIOCSPTLCK,
} from "../../src/ffi/constants.ts";
import {
  close,
  ioctlGet,
  ioctlStruct,
  open,
  PollSet,
  read,
  write,
} from "../../src/ffi/descriptor.ts";
import { ERRNO } from "../../src/ffi/errno.ts";
import { orThrow } from "../../src/ffi/raw.ts";
import { spawn } from "../../src/ffi/spawn.ts";
import { winsize } from "../../src/ffi/structs.ts";
import { layout, Struct } from "../../src/struct.ts";
import { setWindowSize } from "../../src/tty/window_size.ts";
import { Child, type ChildStatus } from "./child.ts";
import { orDispose } from "./or_dispose.ts";
import { Screen } from "./screen.ts";

const int = layout("int", 4, { value: [0, "i32"] });

/** How many times longer than usual a test waits: for machines that are emulated. */
export const PATIENCE = Number(Deno.env.get("REPTYR_PATIENCE") ?? 1);

export const DEFAULT_TIMEOUT_MS = 20_000 * PATIENCE;

/** Longest poll(2) while waiting for something that no descriptor tells. */
const LONGEST_PAUSE_MS = 50;

/** What programs of a test see, whichever user runs it: nothing of the user's own settings. */
const ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: Deno.env.get("PATH") ?? "/usr/local/bin:/usr/bin:/bin",
  HOME: "/nonexistent",
  TERM: "xterm-256color",
  LANG: "C.UTF-8",
  LESSHISTFILE: "-",
  HISTFILE: "",
  PS1: "$ ",
};

export interface TerminalOptions {
  readonly rows?: number;
  readonly columns?: number;
  /** Added to a small fixed environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** What error messages call it; its device by default. */
  readonly label?: string;
}

export interface WaitOptions {
  readonly timeoutMs?: number;
}

const KEYS = {
  Enter: "\r",
  Escape: "\x1b",
  Tab: "\t",
  Backspace: "\x7f",
  Up: "\x1b[A",
  Down: "\x1b[B",
  Right: "\x1b[C",
  Left: "\x1b[D",
  Home: "\x1b[H",
  End: "\x1b[F",
  PageUp: "\x1b[5~",
  PageDown: "\x1b[6~",
  Delete: "\x1b[3~",
  "^\\": "\x1c",
  "^]": "\x1d",
} as const;

/** A named key, or a letter with control: `^C`. */
export type Key = keyof typeof KEYS | `^${string}`;

function keyBytes(key: Key): string {
  if (key in KEYS) return KEYS[key as keyof typeof KEYS];
  if (!/^\^[A-Za-z]$/.test(key)) throw new RangeError(`No such key: ${key}`);
  return String.fromCharCode(key.charCodeAt(1) & 0x1f);
}

const openTerminals = new Set<Terminal>();

/**
 * Let all terminals take what their programs write until `done` gives something else than `undefined`
 * or `false`; that is returned. Throws, with what each terminal shows, when `timeoutMs` pass before.
 * `descriptors` end a pause as soon as one of them is readable; their meaning is left to `done`.
 */
export function waitUntil<T>(
  what: string,
  done: () => T | undefined | false,
  { timeoutMs = DEFAULT_TIMEOUT_MS, descriptors = [] }:
    & WaitOptions
    & { readonly descriptors?: readonly number[] } = {},
): T {
  const end = performance.now() + timeoutMs;
  let pause = 1;
  for (;;) {
    const found = done();
    if (found !== undefined && found !== false) return found;
    if (performance.now() >= end) {
      const shown = [...openTerminals].map((terminal) => terminal.describe()).join("\n");
      throw new Error(`Waited ${timeoutMs} ms in vain for ${what}\n${shown}`);
    }
    pause = pollTerminals(pause, descriptors) ? 1 : Math.min(2 * pause, LONGEST_PAUSE_MS);
  }
}

/** Take what has been written, waiting up to `timeoutMs` for it; whether anything was ready. */
function pollTerminals(timeoutMs: number, descriptors: readonly number[] = []): boolean {
  const listening = [...openTerminals].filter((terminal) => !terminal.hungUp);
  const set = new PollSet(listening.length + descriptors.length);
  listening.forEach((terminal, index) =>
    set.watch(index, terminal.master, POLLIN | (terminal.untyped > 0 ? POLLOUT : 0))
  );
  descriptors.forEach((fd, index) => set.watch(listening.length + index, fd, POLLIN));
  const ready = set.poll(timeoutMs) > 0;
  for (const terminal of listening) terminal.transfer();
  return ready;
}

/** One terminal with the programs on it. */
export class Terminal implements Disposable {
  /** The pty's master; nonblocking. No slave is open in this program. */
  readonly master: number;
  /** `/dev/pts/N` */
  readonly device: string;
  readonly #options: TerminalOptions;
  readonly #screen: Screen;
  readonly #chunks: Uint8Array[] = [];
  readonly #decoder = new TextDecoder();
  readonly #children: Child[] = [];
  #output = "";
  /** How much of the output the screen shows already. */
  #shown = 0;
  /** End of what was last waited for. */
  #mark = 0;
  #untyped = new Uint8Array();
  #hungUp = false;

  constructor(options: TerminalOptions = {}) {
    const { rows = 24, columns = 80 } = options;
    this.#options = options;
    this.#screen = new Screen(rows, columns);
    this.master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    orThrow(ioctlStruct(this.master, TIOCSPTLCK, new Struct(int)), "ioctl(TIOCSPTLCK)");
    const index = ioctlGet(this.master, TIOCGPTN, int, "ioctl(TIOCGPTN)").get("value");
    this.device = `/dev/pts/${index}`;
    this.#setSize(rows, columns);
    openTerminals.add(this);
  }

  /** A new terminal with `argv` as its session leader; descriptors 0 to 2 are the terminal. */
  static start(argv: readonly string[], options: TerminalOptions = {}): Terminal {
    const terminal = new Terminal(options);
    return orDispose(terminal, () => {
      terminal.spawn(argv);
      return terminal;
    });
  }

  /** Start one more session leader; the first one has the terminal as its controlling terminal. */
  spawn(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Child {
    const pid = spawn(argv, {
      env: { ...ENVIRONMENT, ...this.#options.env, ...env },
      newSession: true,
      files: [
        { fd: 0, path: this.device, flags: O_RDWR },
        { fd: 1, dup: 0 },
        { fd: 2, dup: 0 },
      ],
    });
    const child = new Child(pid);
    this.#children.push(child);
    return child;
  }

  /** What was started first on this terminal. */
  get child(): Child {
    const first = this.#children[0];
    if (first === undefined) throw new Error(`Nothing was started on ${this.device}`);
    return first;
  }

  get pid(): number {
    return this.child.pid;
  }

  /** Type `text` as it is; `\r` is the Enter key. Returns when the kernel has taken all of it. */
  type(text: string, options: WaitOptions = {}): void {
    const bytes = new TextEncoder().encode(text);
    const queue = new Uint8Array(this.#untyped.length + bytes.length);
    queue.set(this.#untyped);
    queue.set(bytes, this.#untyped.length);
    this.#untyped = queue;
    this.transfer();
    const what = `${this.#name} to take what is typed`;
    waitUntil(what, () => this.#untyped.length === 0, options);
  }

  /** Type `text` and the Enter key. */
  line(text: string, options: WaitOptions = {}): void {
    this.type(`${text}\r`, options);
  }

  press(...keys: readonly Key[]): void {
    this.type(keys.map(keyBytes).join(""));
  }

  /** As when a person drags the window's corner: the foreground process group gets SIGWINCH. */
  resize(rows: number, columns: number): void {
    this.#showAll();
    this.#screen.resize(rows, columns);
    this.#setSize(rows, columns);
  }

  /**
   * Wait until the output after the last match holds `pattern`, which is a literal text or a regular
   * expression over the raw output, control sequences and `\r\n` included. Returns the match.
   */
  expect(pattern: string | RegExp, options: WaitOptions = {}): RegExpExecArray {
    const search = typeof pattern === "string" ? literal(pattern) : asGlobal(pattern);
    const what = `${typeof pattern === "string" ? JSON.stringify(pattern) : pattern}` +
      ` on ${this.#name}`;
    return waitUntil(what, () => {
      search.lastIndex = this.#mark;
      const match = search.exec(this.#output);
      if (match === null) return undefined;
      this.#mark = match.index + match[0].length;
      return match;
    }, options);
  }

  /** Wait until the screen as a person sees it holds or satisfies `wanted`. */
  expectScreen(
    wanted: string | RegExp | ((screen: Screen) => boolean),
    options: WaitOptions = {},
  ): Screen {
    const satisfied = (screen: Screen): boolean => {
      if (typeof wanted === "function") return wanted(screen);
      return typeof wanted === "string"
        ? screen.text.includes(wanted)
        : new RegExp(wanted, wanted.flags.replace(/[gy]/g, "")).test(screen.text);
    };
    const what = `a screen with ${typeof wanted === "string" ? JSON.stringify(wanted) : wanted}` +
      ` on ${this.#name}`;
    return waitUntil(what, () => satisfied(this.screen) && this.screen, options);
  }

  /** Wait until no program has this terminal open any more. */
  expectEof(options: WaitOptions = {}): void {
    waitUntil(`the last program to leave ${this.#name}`, () => this.#hungUp, options);
  }

  /** Wait until what was started first has ended; how it did. */
  expectExit(options: WaitOptions = {}): ChildStatus {
    return this.waitFor(this.child, options);
  }

  /** Wait until `child` has ended; how it did. Nothing needs waiting for what it wrote before. */
  waitFor(child: Child, options: WaitOptions = {}): ChildStatus {
    const descriptors = child.status === undefined ? [child.handle.descriptor] : [];
    const what = `process ${child.pid} on ${this.#name} to end`;
    const status = waitUntil(what, () => child.status, { ...options, descriptors });
    pollTerminals(0);
    return status;
  }

  /** All that has come out of the terminal so far, as text. */
  get output(): string {
    return this.#output;
  }

  /** All that has come out of the terminal so far. */
  get bytes(): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    let at = 0;
    for (const chunk of this.#chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }

  /** What a person sees now. */
  get screen(): Screen {
    this.#showAll();
    return this.#screen;
  }

  /** Whether the kernel says that no program has this terminal open any more: EIO. */
  get hungUp(): boolean {
    return this.#hungUp;
  }

  /** Bytes that were typed and that the kernel has not taken yet. */
  get untyped(): number {
    return this.#untyped.length;
  }

  /** Move what can be moved without waiting. */
  transfer(): void {
    if (this.#untyped.length > 0) {
      const count = write(this.master, this.#untyped);
      if (count > 0) this.#untyped = this.#untyped.slice(count);
    }
    const buffer = new Uint8Array(1 << 16);
    for (;;) {
      const count = read(this.master, buffer);
      if (count <= 0) {
        this.#hungUp = count === -ERRNO.EIO;
        return;
      }
      const chunk = buffer.slice(0, count);
      this.#chunks.push(chunk);
      this.#output += this.#decoder.decode(chunk, { stream: true });
    }
  }

  /** Screen and raw output, for the message of a failed test. */
  describe(): string {
    const { lines, columns } = this.screen;
    const bar = `+${"-".repeat(columns)}+`;
    const rows = lines.map((line) => `|${line.padEnd(columns)}|`);
    const tail = JSON.stringify(this.#output.slice(-1500));
    return [`${this.#name} shows`, bar, ...rows, bar, `and its output ended with ${tail}`].join(
      "\n",
    );
  }

  /** Close the window: the terminal hangs up, with SIGHUP for its programs, which are let live. */
  hangUp(): void {
    if (openTerminals.delete(this)) close(this.master);
  }

  /** Close the window, and end the programs that were started here, and theirs. */
  [Symbol.dispose](): void {
    using stack = new DisposableStack();
    stack.defer(() => this.hangUp());
    for (const child of this.#children.splice(0)) stack.use(child);
  }

  get #name(): string {
    return this.#options.label ?? this.device;
  }

  #setSize(rows: number, columns: number): void {
    setWindowSize(this.master, new Struct(winsize).set("ws_row", rows).set("ws_col", columns));
  }

  #showAll(): void {
    this.#screen.write(this.#output.slice(this.#shown));
    this.#shown = this.#output.length;
  }
}

function literal(text: string): RegExp {
  return new RegExp(text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "g");
}

function asGlobal(pattern: RegExp): RegExp {
  return new RegExp(pattern.source, [...new Set(pattern.flags.replace("y", "") + "g")].join(""));
}
