/** {@linkcode lookWithPauses} of this machine. */
import { usleep } from "../ffi/process.ts";
import { lookWithPauses } from "./second_look.ts";

/** execve(2) takes less, unless the machine stands still. */
const PAUSE_US = 500;

/** What `look` finds first that is no refusal; else the last refusal, once it was refused each time. */
export function lookAgain<T>(look: () => T, isRefusal: (found: T) => boolean): T {
  return lookWithPauses(look, isRefusal, () => usleep(PAUSE_US));
}
