/** Entry: chooses the command, runs it, and ends the program with its exit status. */

import { chooseCommand, readCalledAs } from "./cli/command_name.ts";
import { RefusedError } from "./errors.ts";
import { readBorrowedPrivileges } from "./proc/privileges.ts";
import type { MirrorRequest } from "./procout/mod.ts";
import type { NewTerminalOptions } from "./reptyr/new_terminal/mod.ts";
import { reportError, run, wantsVerbose } from "./cli/run.ts";
import { raiseOwnLimits } from "./ffi/own_limits.ts";
import { returnToWorkingDirectory } from "./ffi/working_directory.ts";
import { requireOwnRoom } from "./proc/require_room.ts";
import type { MoveOptions } from "./reptyr/inspect/move_options.ts";

if (import.meta.main) {
  const calledAs = readCalledAsWithRoom();
  const invocation = chooseCommand(calledAs, Deno.args);
  try {
    returnToWorkingDirectory();
  } catch (error) {
    Deno.exit(reportError(error, invocation.command, false));
  }
  const borrowed = readBorrowedPrivileges();
  if (borrowed !== undefined) {
    const error = new RefusedError(`Cannot run this executable: ${borrowed}`);
    Deno.exit(reportError(error, invocation.command, false));
  }

  // An error in a callback reaches no `catch`, and Deno would show its stack. Deno.exit() dispatches `unload`,
  // and the code that has changed the user's terminal restores it there.
  const fail = (error: unknown): never =>
    Deno.exit(reportError(error, invocation.command, wantsVerbose(invocation.args)));
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    fail(event.error);
  });
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    fail(event.reason);
  });

  const makeRoom = (): void => {
    raiseOwnLimits();
    requireOwnRoom();
  };
  const move = async (options: MoveOptions): Promise<number> => {
    const reptyr = await import("./reptyr/mod.ts");
    return await reptyr.move(options);
  };
  const newTerminal = async (options: NewTerminalOptions): Promise<number> => {
    const reptyr = await import("./reptyr/new_terminal/mod.ts");
    return await reptyr.newTerminal(options);
  };
  const steal = async (options: MoveOptions): Promise<number> =>
    await (await import("./reptyr/steal/mod.ts")).steal(options);
  const records = async () => (await import("./reptyr/record/known_records.ts")).readRecords;
  const list = async () =>
    (await import("./reptyr/inspect/list.ts")).listProcesses(await records());
  const why = async (pid: number) =>
    (await import("./reptyr/inspect/list.ts")).explainProcess(pid, await records());
  const install = async (folder: string | undefined) =>
    await (await import("./cli/install.ts")).install(folder);
  const mirror = async (request: MirrorRequest): Promise<number> => {
    const procout = await import("./procout/mod.ts");
    return await procout.mirror(request);
  };
  Deno.exit(
    await run(invocation, { makeRoom, move, mirror, newTerminal, steal, list, why, install }),
  );
}

/** With a small RLIMIT_NOFILE the start of the runtime alone has used it up. */
function readCalledAsWithRoom(): string {
  try {
    return readCalledAs();
  } catch {
    raiseOwnLimits();
  }
  try {
    requireOwnRoom();
    return readCalledAs();
  } catch (error) {
    Deno.exit(reportError(error, "reptyr", false));
  }
}
