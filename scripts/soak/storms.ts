/** What is done to a move: nothing, a kill, or a call that fails. */
import { join } from "@std/path";
import {
  describeFault,
  DESPITE_INSISTING,
  type Fault,
  FOR_GOOD,
  injecting,
} from "../../tests/support/fault_injection.ts";
import { victim, which } from "../../tests/support/programs.ts";
import { reptyrPath } from "../../tests/support/reptyr.ts";
import type { Random } from "./random.ts";

export type Storm =
  | { readonly kind: "move"; readonly text: string }
  | { readonly kind: "kill"; readonly text: string; readonly at: KillAt }
  | { readonly kind: "fault"; readonly text: string; readonly fault: Fault };

export type KillAt =
  /** At its request of this number to ptrace(2). */
  | { readonly request: number }
  /** So long after it first traces the target. */
  | { readonly microseconds: number }
  /** When it serves the moved program. */
  | { readonly served: true };

/** A move makes some hundred requests; with threads more. */
const LAST_REQUEST = 160;
const LONGEST_MOVE_US = 30_000;
const LAST_CALL = 60;

/** Calls of reptyr itself. ioctl(2) is none of them: Deno's own start does not live without. */
const OWN_CALLS = [
  "ptrace",
  "ptrace",
  "ptrace",
  "process_vm_readv",
  "process_vm_writev",
  "pidfd_getfd",
  "pidfd_open",
  "sendmsg",
  "kcmp",
];
const ERRORS = ["EPERM", "EIO", "ENOMEM"];

const hasStrace = which("strace") !== undefined;

/** Why some storms are left out; undefined when none is. */
export function whatIsMissing(): string | undefined {
  return hasStrace ? undefined : "strace is not installed: calls of reptyr itself do not fail";
}

export function chooseStorm(random: Random): Storm {
  const chance = random.next();
  if (chance < 0.45) return { kind: "move", text: "move" };
  if (chance < 0.8) return kill(random);
  return fault(random);
}

function kill(random: Random): Storm {
  const chance = random.next();
  if (chance < 0.5) {
    const request = random.integer(1, LAST_REQUEST);
    return { kind: "kill", text: `kill at request ${request}`, at: { request } };
  }
  if (chance < 0.95) {
    const microseconds = random.integer(0, LONGEST_MOVE_US);
    const text = `kill ${microseconds} us after the first stop`;
    return { kind: "kill", text, at: { microseconds } };
  }
  return { kind: "kill", text: "kill of a reptyr that serves", at: { served: true } };
}

function fault(random: Random): Storm {
  const isOwn = hasStrace && random.chance(0.7);
  const call = isOwn ? random.pick(OWN_CALLS) : "*";
  const first = random.integer(1, call === "ptrace" ? LAST_REQUEST : LAST_CALL);
  // A call in a target's name that cannot be done without is made three times, and then given up: insist().
  const width = random.pick(isOwn ? [1, FOR_GOOD, DESPITE_INSISTING] : [1, 2]);
  const fault: Fault = {
    side: isOwn ? "own" : "injected",
    call,
    error: random.pick(ERRORS),
    first,
    last: first + width - 1,
  };
  return { kind: "fault", text: `fault: ${describeFault(fault)}`, fault };
}

/** What runs reptyr so that the storm comes over it. `log`: the calls that a fault strikes are written there. */
export function startOf(
  storm: Storm,
  log: string,
): { readonly argv: readonly string[]; readonly env: Readonly<Record<string, string>> } {
  if (storm.kind === "fault") return injecting(storm.fault, log);
  if (storm.kind === "kill" && "request" in storm.at) {
    return { argv: [victim("kill_at"), String(storm.at.request), reptyrPath], env: {} };
  }
  return { argv: [reptyrPath], env: {} };
}

/** Whether the processes then have to bring themselves back, as after a kill. */
export function isOutOfReach({ side, call, first, last }: Fault): boolean {
  return side === "own" && call === "ptrace" && last - first + 1 >= DESPITE_INSISTING;
}

export function logIn(folder: string): string {
  return join(folder, "struck");
}
