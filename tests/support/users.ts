/** Who the tests are, and who else they may be. */

/** Of Debian's `nobody`; every system has the number. */
export const NOBODY = 65534;

/** What runs the words after it as that user, with no capability and no further group. */
export const AS_NOBODY: readonly string[] = [
  "setpriv",
  `--reuid=${NOBODY}`,
  `--regid=${NOBODY}`,
  "--clear-groups",
];

/** What a test may do is asked of capabilities.ts: root in a container may do little. */
export const isRoot = Deno.uid() === 0;

/** Runs a program as root that may not raise hard limits: capabilities(7). Root with that capability moves what is full. */
export const WITHOUT_RESOURCE: readonly string[] = ["setpriv", "--bounding-set", "-sys_resource"];
