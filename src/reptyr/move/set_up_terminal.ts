/** The new terminal, as the job is to find it. */
import { fchown } from "../../ffi/descriptor.ts";
import { verbose } from "../../log.ts";
import type { Status } from "../../proc/status.ts";
import type { Pty } from "../../tty/pty.ts";
import { plainTermios } from "../../tty/settings.ts";
import { setTermios } from "../../tty/termios.ts";
import { setWindowSize } from "../../tty/window_size.ts";
import { plainness } from "../frontend/own_terminal.ts";
import type { Course } from "./attempt.ts";
import type { OldSettings } from "./screen/old_settings.ts";

/**
 * Give `pty` the settings of the old terminal, the size of the user's, and the target's owner. `old` are the settings as the
 * job left them.
 */
export function setUpTerminal(
  { pty, front }: Pick<Course, "pty" | "front">,
  old: OldSettings,
  target: Status,
): void {
  setTermios(pty.slave, plainTermios(old.termios, plainness(front.terminal)));
  setWindowSize(pty.slave, front.size());
  giveTo(pty, target);
}

/** For programs that open their terminal again by name. Without privilege the user is our own anyway. */
function giveTo(pty: Pty, { uids }: Status): void {
  const owner = uids[1];
  if (fchown(pty.slave, owner, UNCHANGED) < 0) {
    verbose(`${pty.name} stays ours: its owner cannot be changed to user ${owner}`);
  }
}

/** The group that chown(2) leaves as it is: (gid_t) -1. */
const UNCHANGED = 0xffff_ffff;
