/** COMMAND of `reptyr -l COMMAND` and `reptyr -L COMMAND`: a child of ours. */
import { CommandError, SyscallError } from "../../errors.ts";
import { O_RDWR } from "../../ffi/constants.ts";
import { close } from "../../ffi/descriptor.ts";
import { pidfdOpen } from "../../ffi/process.ts";
import { orThrow } from "../../ffi/raw.ts";
import { spawn } from "../../ffi/spawn.ts";
import { verbose } from "../../log.ts";
import { inheritedIgnored } from "../../proc/inherited_signals.ts";
import { statusNow } from "../../tracee/wait.ts";
import type { Pty } from "../../tty/pty.ts";
import { signalOwnChild } from "../gate/gate.ts";

export interface NewTerminalOptions {
  /** COMMAND with its arguments; may be empty. */
  readonly command: readonly string[];
  /**
   * `on`: COMMAND leads a session that the new terminal controls. `beside`: it runs as we do, on the user's terminal,
   * and finds the new one by name.
   */
  readonly place: "on" | "beside";
}

/** Where COMMAND finds the name of the new terminal. */
const NAME_VARIABLE = "REPTYR_PTY";

export class Program implements Disposable {
  #status: number | undefined;

  private constructor(
    readonly pid: number,
    readonly pidfd: number,
    readonly place: NewTerminalOptions["place"],
  ) {}

  /** Throws CommandError when COMMAND cannot be run. Undefined where there is none. */
  static start({ command, place }: NewTerminalOptions, pty: Pty): Program | undefined {
    if (command.length === 0) return undefined;
    const env = { ...Deno.env.toObject(), [NAME_VARIABLE]: pty.name };
    // By name: glibc opens it after setsid(2), and so it becomes the controlling terminal.
    const onIt = {
      newSession: true,
      files: [{ fd: 0, path: pty.name, flags: O_RDWR }, { fd: 1, dup: 0 }, { fd: 2, dup: 0 }],
    };
    const ignored = inheritedIgnored();
    const pid = run(command, { env, ignored, ...place === "on" ? onIt : {} });
    const pidfd = orThrow(pidfdOpen(pid), `pidfd_open(${pid})`);
    verbose(`Started process ${pid}: ${command.join(" ")}`);
    return new Program(pid, pidfd, place);
  }

  /** As a shell's `$?`; undefined until {@linkcode reap} has found it ended. */
  get status(): number | undefined {
    return this.#status;
  }

  reap(): void {
    const status = statusNow(this.pid, this.pid);
    if (status?.kind === "exited") this.#status = status.status;
    if (status?.kind === "signaled") this.#status = 128 + status.signal;
  }

  /** Passes on what ends us. A program on the new terminal is told by its hang-up. */
  tell(signal: Deno.Signal): void {
    if (this.place === "beside" && this.#status === undefined) signalOwnChild(this.pid, signal);
  }

  [Symbol.dispose](): void {
    close(this.pidfd);
  }
}

/** spawn() with the answer that shells give when it fails. */
function run(command: readonly string[], options: Parameters<typeof spawn>[1]): number {
  try {
    return spawn(command, options);
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause;
    const [name = ""] = command;
    throw CommandError.notRun(name, cause);
  }
}
