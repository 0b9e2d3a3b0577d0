/** A reptyr that is a job of an interactive shell, as users have it. */
import { assert } from "@std/assert";
import { ECHO, ICANON, OPOST } from "../../src/ffi/constants.ts";
import { readStat } from "../../src/proc/stat.ts";
import { getTermios } from "../../src/tty/termios.ts";
import type { MovedJob } from "./jobs_moved.ts";
import { reptyrPath } from "./reptyr.ts";
import { descendantsOf } from "./child.ts";
import { PROMPT, SHELL, startShell } from "./on_terminal.ts";
import { orDispose } from "./or_dispose.ts";
import { type Terminal, type TerminalOptions, waitUntil } from "./terminal.ts";

/** Interactive shells without any settings of a user. */
export const SHELLS = {
  bash: SHELL,
  zsh: ["zsh", "-f", "-i"],
  fish: ["fish", "--no-config", "-i"],
  dash: ["dash", "-i"],
} as const;

/** A new terminal with a shell in which `reptyr target` has just moved the whole of `job`. */
export function moveInShell(
  job: MovedJob,
  target: number,
  options: TerminalOptions = {},
  keepsSession = false,
): Terminal {
  const shell = startShell({ label: "new shell", ...options });
  return orDispose(shell, () => {
    job.moveBy(target, shell, () => {
      shell.line(`${reptyrPath} ${target}`);
      return undefined;
    }, keepsSession);
    return shell;
  });
}

/** The reptyr that is a job of `shell`. */
export function reptyrOf(shell: Terminal): number {
  const found = descendantsOf(shell.pid).find((pid) => readStat(pid)?.comm === "reptyr");
  assert(found !== undefined, "No reptyr is a job of the shell");
  return found;
}

/** ^Z: the shell shows reptyr stopped and prompts, and the whole job is stopped. */
export function stopByKey(shell: Terminal, job: MovedJob): void {
  shell.press("^Z");
  shell.expect(/\[1\]\+ +Stopped +\S*reptyr \d+/);
  shell.expect(PROMPT);
  // Children of the old shell are held by reptyr: that shell is not to hear of a stop.
  for (const pid of job.pids) {
    waitUntil(`process ${pid} to be stopped`, () => /[Tt]/.test(readStat(pid)?.state ?? ""));
  }
}

/** `fg` or `bg`: all of the job go on. */
export function continueBy(shell: Terminal, command: "fg" | "bg", job: MovedJob): void {
  shell.line(command);
  shell.expect(/reptyr \d+( &)?\r\n/);
  for (const pid of job.pids) {
    waitUntil(`process ${pid} to go on`, () => /[SR]/.test(readStat(pid)?.state ?? ""));
  }
}

/** A reptyr serves the terminal. The shell's line editor switches ICANON and ECHO off too, but never OPOST. */
export function untilRaw(shell: Terminal): void {
  waitUntil("raw mode", () => {
    const settings = getTermios(shell.master);
    return (settings.get("c_lflag") & (ICANON | ECHO)) === 0 &&
      (settings.get("c_oflag") & OPOST) === 0;
  });
}
