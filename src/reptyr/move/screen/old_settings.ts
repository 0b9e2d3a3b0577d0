/** The settings and the size of the terminal that the target worked with. */
import { SyscallError } from "../../../errors.ts";
import { ICANON } from "../../../ffi/constants.ts";
import { close } from "../../../ffi/descriptor.ts";
import { pidfdGetfd } from "../../../ffi/process.ts";
import { saneTermios, type Termios } from "../../../tty/settings.ts";
import { getTermios } from "../../../tty/termios.ts";
import { getWindowSize, type WindowSize } from "../../../tty/window_size.ts";

export interface OldSettings {
  readonly termios: Termios;
  /** `undefined` when the terminal was hung up. */
  readonly size: WindowSize | undefined;
}

/**
 * The size of the terminal behind descriptor `fd` of the process of `pidfd`, and its settings if the target
 * is in its `foreground`; else sane ones: in the background the settings are those that a shell made for
 * itself, and a terminal that was hung up, or is not there (no `fd`), has none.
 */
export function oldSettings(
  pidfd: number,
  fd: number | undefined,
  foreground: boolean,
): OldSettings {
  const copy = fd === undefined ? -1 : pidfdGetfd(pidfd, fd);
  if (copy < 0) return { termios: saneTermios(), size: undefined };
  try {
    return { termios: foreground ? getTermios(copy) : saneTermios(), size: getWindowSize(copy) };
  } catch (error) {
    if (error instanceof SyscallError) return { termios: saneTermios(), size: undefined };
    throw error;
  } finally {
    close(copy);
  }
}

/** Whether the terminal is in the foreground, and passes keys on one by one: a program drives it, not a line of text. */
export function isDriven({ termios, size }: OldSettings): boolean {
  return size !== undefined && (termios.get("c_lflag") & ICANON) === 0;
}
