/** Stopping the processes of a job at the same time. */
import { GivenUpError } from "../../../errors.ts";
import type { ProcessIdentity } from "../../../proc/process_identity.ts";
import { awaitBlockedCalls } from "../../../tracee/blocked_calls.ts";
import { FreezerWatch } from "../../../tracee/frozen.ts";
import { TRACE_SESSION } from "../../../tracee/trace_session.ts";
import type { Deadline, Waits } from "../../../tracee/wait.ts";
import type { AskedProcess, Gate } from "../../gate/gate.ts";
import { Member } from "./member.ts";
import { memberOf, type Settled, settled } from "./seized.ts";

/** Stop `process`, or say why that is not allowed. Throws as Gate.seize() does. */
export function* seizingMember(
  process: ProcessIdentity,
  deadline: Deadline,
  gate: Gate,
): Waits<Member> {
  const [seized] = yield* seizingMembers([process], deadline, gate);
  return memberOf(process.pid, seized!); // not undefined: one result for each process
}

/**
 * Stop all of `processes` that `gate` admits, at the same time. For each there is one result, of which
 * {@linkcode memberOf} makes a member or an error. What can be looked up while they run is looked up before the first is
 * asked.
 */
export function* seizingMembers(
  processes: readonly ProcessIdentity[],
  deadline: Deadline,
  gate: Gate,
): Waits<Settled<Member>[]> {
  const pids = processes.map(({ pid }) => pid);
  lookEarly(processes);
  const freezers = new FreezerWatch(pids);
  const frozen = freezers.look();
  awaitBlockedCalls(pids);
  const stopped: Settled<Member>[] = [];
  const timeoutSeconds = deadline.seconds;
  let asked: Settled<AskedProcess>[] = [];
  try {
    asked = processes.map((process) =>
      settled(() => {
        if (frozen.has(process.pid)) throw frozen.get(process.pid);
        return gate.ask(process, { timeoutSeconds, deadline });
      })
    );
    for (const one of asked) stopped.push("error" in one ? one : yield* memberFrom(one.value));
  } catch (error) {
    using all = new DisposableStack();
    for (const one of asked) if ("value" in one) all.defer(() => one.value.callOff(error));
    for (const one of stopped) if ("value" in one) all.use(one.value);
    throw error;
  }
  // In version 2 of cgroups one that is frozen stops all the same, and does nothing that is asked of it then.
  const frozenNow = freezers.look();
  return stopped.map((one, index) => {
    const error = frozenNow.get(pids[index]!); // not undefined: one result for each process
    if ("error" in one || error === undefined) return one;
    one.value[Symbol.dispose]();
    return { error };
  });
}

/** One that is given up is nobody's result: it is thrown. */
function* memberFrom(asked: AskedProcess): Waits<Settled<Member>> {
  try {
    return { value: Member.of(yield* asked.stopping()) };
  } catch (error) {
    if (error instanceof GivenUpError) throw error;
    return { error };
  }
}

/** Look up what can be known of processes while they run. It is done once for each. */
export function lookEarly(processes: readonly ProcessIdentity[]): void {
  for (const { pid } of processes) TRACE_SESSION.returnSites.findEarly(pid);
}

/** Throws RefusedError when a member, which ran since it was stopped, is frozen by now. */
export function refuseFrozen(members: readonly Member[]): void {
  const [refused] = new FreezerWatch(members.map(({ pid }) => pid)).look().values();
  if (refused !== undefined) throw refused;
}
