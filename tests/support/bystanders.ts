/** Programs around a job that are no part of it, and the proof that a move leaves them alone: tests/victims/bystanders.py. */
import { assert, assertEquals } from "@std/assert";
import { readFds } from "../../src/proc/fds.ts";
import { readStatus } from "../../src/proc/status.ts";
import { type Child, descendantsOf, ProcessHandle } from "./child.ts";
import { isMoved, startDetached, switchesOf } from "./input_run.ts";
import { living, PROMPT, SHELL, statOf } from "./on_terminal.ts";
import { victimScript } from "./programs.ts";
import { reptyrPath } from "./reptyr.ts";
import { Terminal, waitUntil } from "./terminal.ts";
import { untilBlocked } from "./victim.ts";

/** The words that play a role of the script. */
export function playing(role: string, folder: string, ...words: readonly string[]): string[] {
  return ["python3", victimScript("bystanders.py"), role, folder, ...words];
}

/** What one that is to be left alone holds, and where it stands. */
function describe(pid: number): string {
  const { session, pgrp, ppid, ttyNr, startTime } = statOf(pid);
  const fds = (readFds(pid, pid) ?? []).map(({ fd, link, dev, ino, rdev, fdinfo }) =>
    `${fd} ${link} ${dev} ${ino} ${rdev} ${JSON.stringify(fdinfo)}`
  );
  return [`${session} ${pgrp} ${ppid} ${ttyNr} ${startTime}`, ...fds].join("\n");
}

/** A program that is to be left alone. */
class Bystander implements Disposable {
  readonly #handle: ProcessHandle;
  readonly #before: string;
  readonly #switches: string;

  constructor(
    readonly name: string,
    readonly pid: number,
    readonly folder: string,
    readonly isShell: boolean,
  ) {
    untilBlocked(pid);
    this.#handle = new ProcessHandle(pid);
    this.#before = describe(pid);
    this.#switches = switchesOf(pid);
  }

  /** It has slept all the time: it was neither stopped nor traced nor signalled. A shell is told of its job, by SIGCHLD. */
  assertAsleep(): void {
    this.assertUntouched();
    if (!this.isShell) assertEquals(switchesOf(this.pid), this.#switches, `${this.name} has run`);
  }

  assertUntouched(): void {
    assert(!this.#handle.ended, `${this.name} has ended`);
    assertEquals(describe(this.pid), this.#before, this.name);
    assertEquals(readStatus(this.pid)?.tracerPid, 0, this.name);
    assert(/[SR]/.test(statOf(this.pid).state), `${this.name} is stopped`);
    assertEquals(this.#signals(), "", `${this.name} has got signals`);
  }

  #signals(): string {
    try {
      return Deno.readTextFileSync(`${this.folder}/${this.name}.signals`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#handle.end();
    this.#handle.waitForEnd(20_000);
    this.#handle[Symbol.dispose]();
  }
}

export interface SceneOptions {
  /** Who is to be left alone, by the names in the script. */
  readonly bystanders: readonly string[];
  /** On a terminal of its own, or a terminal that is there already, or none. */
  readonly start: (folder: string) => Terminal | Child;
  /** Whether they have the target as a job. */
  readonly areShells?: boolean;
}

/** A target with programs around it. Disposing ends them all. */
export class Scene implements Disposable {
  readonly #cleanup: DisposableStack;
  readonly #root: Terminal | Child;
  readonly folder: string;
  readonly target: number;
  readonly bystanders: readonly Bystander[];

  constructor({ bystanders, start, areShells = false }: SceneOptions) {
    using cleanup = new DisposableStack();
    this.folder = Deno.makeTempDirSync({ prefix: "reptyr-bystanders-" });
    cleanup.defer(() => Deno.removeSync(this.folder, { recursive: true }));
    this.#root = cleanup.use(start(this.folder));
    this.target = this.find("target");
    untilBlocked(this.target);
    const target = cleanup.use(new ProcessHandle(this.target));
    cleanup.defer(() => target.end());
    this.bystanders = bystanders.map((name) =>
      cleanup.use(new Bystander(name, this.find(name), this.folder, areShells))
    );
    this.#cleanup = cleanup.move();
  }

  /** Another process that is to be left alone, one that knows nothing of the script. */
  watch(name: string, pid: number): Bystander {
    return this.#cleanup.use(new Bystander(name, pid, this.folder, false));
  }

  /** Who wrote that PID to the folder, as we number processes: it may be in a PID namespace. */
  find(name: string): number {
    return waitUntil(`${name} to be there`, () => {
      const own = Number(readIfThere(`${this.folder}/${name}.pid`));
      if (own === 0) return undefined;
      return [own, ...descendantsOf(this.#root.pid)].find((pid) => {
        const numbers = readStatus(pid)?.nsPid ?? [];
        return numbers.at(-1) === own && (pid !== own || numbers.length === 1) &&
          Deno.readTextFileSync(`/proc/${pid}/cmdline`).includes(this.folder);
      });
    });
  }

  /**
   * Move the target by a reptyr that is a job of a shell, and do there whatever sends signals, to the end of the terminal
   * unless `isKept`. Only `stopped`, and the target, may be stopped for it. `look` is called when it is moved.
   */
  moveAndUse(
    { args = [], stopped = [], look = () => {}, isKept = false }: {
      readonly args?: readonly string[];
      readonly stopped?: readonly number[];
      readonly look?: (shell: Terminal) => void;
      readonly isKept?: boolean;
    } = {},
  ): void {
    const { ttyNr } = statOf(this.target);
    using shell = Terminal.start(SHELL, { label: "new shell", columns: 250 });
    using handle = new ProcessHandle(this.target);
    shell.expect(PROMPT);
    for (const one of this.bystanders) one.assertAsleep();
    shell.line([reptyrPath, "-V", ...args, this.target].join(" "));
    waitUntil("the move", () => isMoved(this.target, ttyNr));
    const [, names] = shell.expect(/\[\+\] Stopped ([\d, ]+)\r\n/);
    const expected = [this.target, ...stopped].map(String).sort();
    assertEquals(names!.split(", ").sort(), expected);
    for (const one of this.bystanders) one.assertAsleep();
    look(shell);
    shell.press("^C");
    shell.expect("target SIGINT");
    shell.press("^\\");
    shell.expect("target SIGQUIT");
    shell.resize(31, 97);
    shell.expect("target SIGWINCH");
    for (const one of this.bystanders) one.assertAsleep();
    shell.press("^Z");
    shell.expect(/\[1\]\+ +Stopped/);
    waitUntil("the stop", () => /[Tt]/.test(statOf(this.target).state));
    for (const one of this.bystanders) one.assertUntouched();
    shell.line("fg");
    waitUntil("the target to go on", () => /[SR]/.test(statOf(this.target).state));
    shell.press("^C");
    shell.expect("target SIGINT");
    for (const one of this.bystanders) one.assertUntouched();
    if (isKept) return;
    shell.hangUp();
    assert(handle.waitForEnd(20_000), "The target has not heard of the end of its terminal");
    waitUntil("reptyr to end", () => living(descendantsOf(shell.pid)).length === 0);
    for (const one of this.bystanders) one.assertUntouched();
  }

  assertUntouched(): void {
    for (const one of this.bystanders) one.assertUntouched();
  }

  [Symbol.dispose](): void {
    this.#cleanup[Symbol.dispose]();
  }
}

function readIfThere(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** On no terminal, in a session of its own. */
export function detached(role: string, ...words: readonly string[]): SceneOptions["start"] {
  return (folder) => startDetached(playing(role, folder, ...words));
}
