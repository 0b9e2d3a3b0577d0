/** Terminals that cannot be taken because this reptyr is shown on them: its own, and those behind its own. */
import { RefusedError } from "../../errors.ts";
import { close } from "../../ffi/descriptor.ts";
import { decodeDevice, ptsIndex } from "../../proc/device.ts";
import { readFds } from "../../proc/fds.ts";
import { readable } from "../../proc/gone.ts";
import { readStat, type Stat } from "../../proc/stat.ts";
import { throughThread } from "../../proc/threads.ts";
import { type DeviceFile, deviceFile, slaveOf } from "../../tty/master.ts";
import { findMaster, type FoundMaster } from "../inspect/find_master.ts";
import { isOnTerminal } from "../inspect/old_terminal.ts";
import { named, type TargetFacts } from "../inspect/refusals.ts";
import { sameFile, subject } from "../inspect/stolen_terminal.ts";
import { gather } from "../inspect/target_facts.ts";

/** Throws RefusedError for the terminal that we run on, or are used from: it would be shown in itself. */
export function refuseOwn(target: TargetFacts, { copy }: FoundMaster): void {
  const self = readStat(Deno.pid);
  const file = copy === undefined ? undefined : slaveOf(copy);
  const isOwn = self !== undefined && self.ttyNr !== 0 && isControlledBy(self, target.stat) ||
    ownFiles().some((own) => sameFile(own, file));
  if (!isOwn) return;
  throw new RefusedError(`${subject(target)}: it is the terminal this reptyr runs on`, [
    "Run reptyr in another terminal",
  ]);
}

function isControlledBy(self: Stat, { session, ttyNr }: Stat): boolean {
  return session === self.session && ttyNr === self.ttyNr;
}

function ownFiles(): DeviceFile[] {
  return [0, 1].map(deviceFile);
}

/**
 * Throws RefusedError for a terminal that ours is shown on, such as the one that script(1) or a client of tmux(1) runs on:
 * our output would come back to us through it, without end.
 */
export function refuseShowing(target: TargetFacts, master: number): void {
  const wanted = slaveOf(master);
  if (wanted === undefined) return;
  const open = ownFiles();
  const known: DeviceFile[] = [];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    const shown = file;
    const index = ptsIndex(decodeDevice(shown.rdev));
    if (index === undefined || known.some((one) => sameFile(one, shown))) continue;
    known.push(shown);
    const { copy, pids } = findMaster({ index, session: undefined, file: shown });
    if (copy !== undefined) close(copy);
    for (const pid of pids) {
      const terminals = terminalsOf(pid);
      if (terminals.some((terminal) => sameFile(terminal, wanted))) {
        const holder = named({ pid, command: readable(() => gather(pid))?.command ?? "" });
        throw new RefusedError(
          `${subject(target)}: this reptyr's own terminal is shown on it, by process ${holder}`,
          ["Run reptyr in a terminal that is not inside of it"],
        );
      }
      open.push(...terminals);
    }
  }
}

/** The terminals that a process writes to. */
function terminalsOf(pid: number): DeviceFile[] {
  const fds = readable(() => throughThread(pid, (tid) => readFds(pid, tid))) ?? [];
  return fds.filter((descriptor) => isOnTerminal(descriptor));
}
