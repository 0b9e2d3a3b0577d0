/**
 * Starting a command that is watched from its first instruction. posix_spawn(3) knows no stop before execve(2), and
 * fork(2) is out of the question. It opens files first: opening a FIFO that has no writer pauses the child.
 */
import { CommandError, RefusedError, SyscallError } from "../errors.ts";
import { O_CLOEXEC, O_NONBLOCK, O_RDONLY, O_WRONLY, SIGKILL } from "../ffi/constants.ts";
import { close, open } from "../ffi/descriptor.ts";
import { giveOriginalLimits } from "../ffi/own_limits.ts";
import { kill, usleep } from "../ffi/process.ts";
import { type SpawnFile, spawnPaused } from "../ffi/spawn.ts";
import { onOtherThread } from "../ffi/threads.ts";
import { inheritedIgnored } from "../proc/inherited_signals.ts";
import { listTids, readChildren } from "../proc/tasks.ts";
import { Deadline } from "../tracee/wait.ts";
import { openAnonymousFifo } from "./anonymous_fifo.ts";

/** How long this machine may take to start a process. */
const START_SECONDS = 20;
const PAUSE_US = 200;

/** A child that waits to become the program. Disposed of before it was let go, it never does. */
export interface PausedChild extends Disposable {
  readonly pid: number;
  /** Let it run the program. Throws CommandError when that cannot be run. */
  letGo(): Promise<void>;
}

/** Start `argv`, with `files` besides our own descriptors 0 to 2, paused before it becomes that program. */
export async function startPaused(
  argv: readonly string[],
  files: readonly SpawnFile[],
): Promise<PausedChild> {
  const [program = ""] = argv;
  const fifo = openAnonymousFifo();
  const before = new Set(ownChildren());
  const fifoPath = `/proc/${Deno.pid}/fd/${fifo}`;
  const fifoInChild = unusedNumber(files);
  const options = {
    env: Deno.env.toObject(),
    files: [{ fd: fifoInChild, path: fifoPath, flags: O_RDONLY }, { close: fifoInChild }, ...files],
    ignored: inheritedIgnored(),
  };
  const started = onOtherThread(() => spawnPaused(argv, options));
  let failure: unknown;
  started.catch((error) => failure = error);
  const deadline = new Deadline(START_SECONDS);
  for (;;) {
    const pid = ownChildren().find((child) => !before.has(child));
    if (pid !== undefined) {
      giveOriginalLimits(pid);
      return pausedChild(pid, fifo, started, program);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (failure !== undefined) throw explain(failure, program);
    if (deadline.passed) throw new RefusedError(`Cannot run ${program}: it does not start`);
  }
}

function pausedChild(
  pid: number,
  fifo: number,
  started: Promise<number>,
  program: string,
): PausedChild {
  let waiting = true;
  return {
    pid,
    async letGo() {
      await letGo(fifo, started, program);
      waiting = false;
    },
    [Symbol.dispose]() {
      if (waiting) kill(pid, SIGKILL);
    },
  };
}

async function letGo(fifo: number, started: Promise<number>, program: string): Promise<void> {
  const deadline = new Deadline(START_SECONDS);
  for (;;) {
    try {
      // ENXIO until the child waits at the other end.
      close(open(`/proc/self/fd/${fifo}`, O_WRONLY | O_NONBLOCK | O_CLOEXEC));
      break;
    } catch (error) {
      if (!(error instanceof SyscallError) || deadline.passed) throw error;
      usleep(PAUSE_US);
    }
  }
  try {
    await started;
  } catch (error) {
    throw explain(error, program);
  } finally {
    close(fifo);
  }
}

/** A descriptor number that takes nothing from the child: neither what it inherits nor what `files` speak of. */
function unusedNumber(files: readonly SpawnFile[]): number {
  const used = new Set(Array.from(Deno.readDirSync("/proc/self/fd"), ({ name }) => Number(name)));
  for (const file of files) {
    used.add("close" in file ? file.close : file.fd);
    if ("dup" in file) used.add(file.dup);
  }
  let number = 3;
  while (used.has(number)) number++;
  return number;
}

function ownChildren(): number[] {
  return (listTids(Deno.pid) ?? []).flatMap((tid) => readChildren(Deno.pid, tid));
}

function explain(error: unknown, program: string): unknown {
  return error instanceof SyscallError ? CommandError.notRun(program, error) : error;
}
