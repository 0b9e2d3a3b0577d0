/** Taking the master of a pty away from all processes that hold it, with the user's patience and words. */
import type { OurFd } from "../../brands.ts";
import { firstOf, RefusedError } from "../../errors.ts";
import { explainTimeout } from "../../tracee/frozen.ts";
import { Deadline } from "../../tracee/wait.ts";
import type { Patience } from "../frontend/patience.ts";
import { isSameMaster } from "../inspect/find_master.ts";
import { stealFailure, subject } from "../inspect/stolen_terminal.ts";
import { Holders } from "./holders.ts";
import type { StealFacts } from "./preflight.ts";
import { letGo, type ReplacedFds, replaceIn, type Replacing } from "./replace_master.ts";

/**
 * After this no process but ours holds the master of `facts`: `replacement` is in its place. Throws when it cannot be done,
 * with all as it was before. Nothing is written meanwhile: the program that shows our own terminal may be stopped with the
 * others.
 */
export async function takeMaster(
  facts: StealFacts,
  replacement: OurFd,
  timeoutSeconds: number,
  patience: Patience,
): Promise<ReplacedFds[]> {
  const { master, wanted, target } = facts;
  const what: Replacing = {
    holders: facts.holders,
    index: wanted.index,
    isWanted: (held) => isSameMaster(held, master, wanted),
    replacement,
  };
  try {
    using holders = await patience.wait(
      Holders.stopping(what.holders, what.index, new Deadline(timeoutSeconds)),
    );
    if (patience.isTried) await patience.end();
    const losses = replaceIn(holders, what);
    letGo(holders);
    if (losses.length > 0) return losses;
    throw new RefusedError(`${subject(target)}: the program behind it has just closed it`);
  } catch (error) {
    const first = firstOf(error);
    const explained = explainTimeout(first);
    throw explained === first ? stealFailure(error, target) : explained;
  }
}
