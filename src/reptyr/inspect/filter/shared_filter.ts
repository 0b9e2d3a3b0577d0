/**
 * Programs under the seccomp filter that this reptyr is under, too, as in an ordinary container: what its rehearsal says of
 * them. Pure.
 */
import { RefusedError } from "../../../errors.ts";

/** What has become of a child of ours that made the calls of a move: rehearsal.ts. */
export type Rehearsal =
  | { readonly outcome: "lives" }
  /** A call ended it. */
  | { readonly outcome: "killed"; readonly call: string }
  /** One that a move cannot do without was not made. */
  | { readonly outcome: "refused"; readonly call: string; readonly code: string }
  | { readonly outcome: "untried"; readonly why: string };

/**
 * Filters are inherited and only ever added, seccomp(2). `certain`: the process and this reptyr descend from one that has as
 * many as both of them. `assumed`: they have as many, and are in the same container; a process that `podman exec` brings
 * into it has no ancestor there.
 */
export type Kinship = "certain" | "assumed";

export interface SharedFilter {
  readonly kinship: Kinship;
  readonly rehearsal: Rehearsal;
}

/** What is known of a process whose filter cannot be suspended. */
export interface FilterFacts {
  /** Undefined where its filters are not those of this reptyr. */
  readonly sharedFilter?: SharedFilter | undefined;
}

export interface KinshipFacts {
  /** How many filters it is under, and how many this reptyr. */
  readonly filters: number | undefined;
  readonly ownFilters: number | undefined;
  /** Link texts of /proc/PID/ns of both: mount, PID, user. Undefined where one cannot be read. */
  readonly namespaces: readonly string[] | undefined;
  readonly ownNamespaces: readonly string[] | undefined;
  /** Numbers of filters of the ancestors that both have. */
  readonly commonAncestors: readonly (number | undefined)[];
  /** Only programs of the machine code of this one are rehearsed with. */
  readonly isSameMachine: boolean;
}

/** PROC_PID_INIT_INO in <linux/proc_ns.h>: outside of every container programs have filters of their own making. */
const FIRST_PID_NAMESPACE = "pid:[4026531836]";

/** Whether a process is under the filters that this reptyr is under; undefined where nothing says so. */
export function kinshipOf(facts: KinshipFacts): Kinship | undefined {
  const { filters, ownFilters, namespaces, ownNamespaces } = facts;
  if (filters === undefined || filters === 0 || filters !== ownFilters) return undefined;
  if (!facts.isSameMachine) return undefined;
  if (facts.commonAncestors.includes(filters)) return "certain";
  if (namespaces === undefined || ownNamespaces === undefined) return undefined;
  if (namespaces.join() !== ownNamespaces.join()) return undefined;
  return namespaces.includes(FIRST_PID_NAMESPACE) ? undefined : "assumed";
}

/** Why the calls of a move would not pass the filter; undefined where they do. `subject`: `Cannot move process 7 (vim)`. */
export function filterRefusal(subject: string, rehearsal: Rehearsal): RefusedError | undefined {
  const under = "the seccomp filter that it and this reptyr are under";
  switch (rehearsal.outcome) {
    case "lives":
      return undefined;
    case "killed":
      return new RefusedError(
        `${subject}: ${under} ends a process for ${rehearsal.call}(2), tried with a child of reptyr`,
        [OUTSIDE],
      );
    case "refused":
      return new RefusedError(
        `${subject}: ${under} forbids ${rehearsal.call}(2) (${rehearsal.code})`,
        rehearsal.call === "pidfd_getfd" ? [WITH_CAPABILITY, OUTSIDE] : [OUTSIDE],
      );
    case "untried":
      return new RefusedError(
        `${subject}: ${under} might kill it for the calls of the move, which cannot be tried: ${rehearsal.why}`,
        [OUTSIDE],
      );
  }
}

export const OUTSIDE =
  "Run reptyr as root outside of the container or sandbox: under a filter itself it cannot suspend one";
const WITH_CAPABILITY = "Docker allows it with: docker run --cap-add=SYS_PTRACE";
