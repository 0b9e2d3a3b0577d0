/**
 * Descriptors that --force-stdio replaces, on file systems that somebody serves. dup3(2) closes what was there, which asks
 * the server (FUSE_FLUSH), and the target waits in it for the answer, uninterruptibly.
 */
import { RefusedError } from "../../errors.ts";
import { O_RDWR } from "../../ffi/constants.ts";
import { spawn } from "../../ffi/spawn.ts";
import { verbose } from "../../log.ts";
import type { Descriptor } from "../../proc/fds.ts";
import { mayBeServed, servesFiles } from "../../proc/file_servers.ts";
import { procFolder } from "../../proc/gone.ts";
import { printable, shorten } from "../../proc/printable.ts";
import { Deadline, statusNow } from "../../tracee/wait.ts";
import { signalOwnChild } from "../gate/gate.ts";
import type { PreflightFacts } from "../inspect/preflight_facts.ts";
import type { Job } from "./job/job.ts";
import { settled } from "./job/seized.ts";

const LINK_WIDTH = 60;

/** Throws RefusedError when such a server does not answer within `seconds`. Nobody stands still meanwhile. */
export async function requireAnswers(
  { pid, tid, fds }: Pick<PreflightFacts, "pid" | "tid" | "fds">,
  seconds: number,
): Promise<void> {
  for (const { fd, link } of servedStdio(pid, tid, fds)) {
    if (await answers(`${procFolder(pid, tid)}/fd/${fd}`, seconds)) continue;
    throw new RefusedError(
      `Cannot replace descriptor ${fd} of process ${pid}: ${
        named(link)
      } is on a file system that does not answer`,
      ["Try again once it does; the process would wait for it, and nothing could end that"],
    );
  }
}

/** Throws RefusedError when a member of `job`, which stands still, may be such a server. */
export function refuseOwnServers({ target, members }: Job): void {
  const { pid, tracee, fds } = target;
  const [file] = servedStdio(pid, tracee.mainTid, fds);
  const server = file && members.find((member) => servesFiles(member.pid));
  if (file === undefined || server === undefined) return;
  throw new RefusedError(
    `Cannot replace descriptor ${file.fd} of process ${pid}: it is ${
      named(file.link)
    }, which process ${server.pid} ` +
      "of its job may serve, and that stands still while the job is moved",
    [
      `To move the job and leave that file where it is, run: reptyr ${pid}`,
      "Or start what serves the file system as no part of the job: setsid COMMAND",
    ],
  );
}

function servedStdio(pid: number, tid: number, fds: readonly Descriptor[]): readonly Descriptor[] {
  return fds.filter(({ fd }) => fd <= 2 && mayBeServed(pid, tid, fd));
}

function named(link: string): string {
  return shorten(printable(link), LINK_WIDTH);
}

/** Between two looks at the child. */
const LOOK_MS = 5;

/**
 * Whether stat(2) of the file at `path` returns within `seconds`. A child of ours asks, for one that waits for an answer
 * cannot always be ended: it stays behind until there is one, and holds nothing of ours. True where it cannot be asked.
 */
async function answers(path: string, seconds: number): Promise<boolean> {
  const nothing = { path: "/dev/null", flags: O_RDWR };
  const child = settled(() =>
    spawn(["/bin/sh", "-c", '[ -s "$0" ]', path], {
      env: {},
      files: [0, 1, 2].map((fd) => ({ fd, ...nothing })),
      newSession: true,
    })
  );
  if ("error" in child) {
    verbose(`Not asked whether ${path} answers: ${child.error}`);
    return true;
  }
  const deadline = new Deadline(seconds);
  while (statusNow(child.value, child.value) === undefined) {
    if (deadline.passed) {
      signalOwnChild(child.value, "SIGKILL");
      return false;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return true;
}
