/** The child of a rehearsal: starting it, ending it, and seeing that it undoes a step by itself. */
import { TraceeDiedError } from "../../../errors.ts";
import { O_RDWR } from "../../../ffi/constants.ts";
import { close, memfdCreate, write } from "../../../ffi/descriptor.ts";
import { usleep } from "../../../ffi/process.ts";
import { orThrow } from "../../../ffi/raw.ts";
import { spawn } from "../../../ffi/spawn.ts";
import { isLive, readStat } from "../../../proc/stat.ts";
import { Deadline, statusNow } from "../../../tracee/wait.ts";
import { signalOwnChild } from "../../gate/gate.ts";
import { rehearsalProgram } from "./rehearsal_program.ts";

/** How long the child may take for each step. */
export const REHEARSAL_SECONDS = 5;
const PAUSE_US = 500;

/** Start the child, in our session and process group so that it may call setsid(2); it ends with `cleanup`. */
export function startChild(cleanup: DisposableStack): number {
  const file = orThrow(memfdCreate("reptyr-rehearsal"), "memfd_create");
  cleanup.defer(() => close(file));
  const program = rehearsalProgram(Deno.build.arch);
  orThrow(write(file, program), "write");
  const nothing = { path: "/dev/null", flags: O_RDWR };
  const pid = spawn([`/proc/self/fd/${file}`], {
    env: {},
    files: [0, 1, 2].map((fd) => ({ fd, ...nothing })),
  });
  cleanup.defer(() => end(pid));
  return pid;
}

function end(pid: number): void {
  try {
    signalOwnChild(pid, "SIGKILL");
    const deadline = new Deadline(REHEARSAL_SECONDS);
    while (statusNow(pid, pid) === undefined && !deadline.passed) usleep(PAUSE_US);
  } catch {
    // Its filter has ended it, and it has been waited for.
  }
}

/** Wait until child `pid`, which nothing traces any more, has closed descriptor `fd` by itself and sleeps again. */
export function awaitReturn(pid: number, fd: number): void {
  const deadline = new Deadline(REHEARSAL_SECONDS);
  while (!deadline.passed) {
    const stat = readStat(pid);
    if (stat === undefined || !isLive(stat)) throw new TraceeDiedError(pid);
    const fds = Array.from(Deno.readDirSync(`/proc/${pid}/fd`), ({ name }) => Number(name));
    if (!fds.includes(fd) && stat.state === "S") return;
    usleep(PAUSE_US);
  }
  throw new TraceeDiedError(pid);
}
