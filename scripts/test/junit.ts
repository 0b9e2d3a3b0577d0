/**
 * What a JUnit report by `deno test` says, as pure functions.
 */

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** A test that failed: its full name, and what it threw. */
export interface Failure {
  name: string;
  message: string;
}

interface Case {
  name: string;
  outcome: "passed" | "failed" | "skipped";
  message: string;
}

/** XML 1.0, section 4.6. The ampersand is last: `&amp;lt;` stands for `&lt;`. */
const ENTITIES = [["&lt;", "<"], ["&gt;", ">"], ["&quot;", '"'], ["&apos;", "'"], ["&amp;", "&"]];

function unescape(text: string): string {
  return ENTITIES.reduce((all, [entity = "", character = ""]) => {
    return all.replaceAll(entity, character);
  }, text);
}

/** With what was thrown as its text; a test that another one's uncaught error has cancelled has none. */
const FAILED = /<(?:failure|error) message="([^"]*)"[^>]*?(?:\/>|>(.*?)<\/(?:failure|error)>)/s;

/**
 * The innermost tests of a report. A step is listed as `test > step`, in the suite of the module that called
 * t.step, which is bdd's and not the test's own: hence names are compared across suites. A group is one of
 * them only when it failed by itself, as with a leak that the sanitizers find at its end.
 */
function innermost(xml: string): Case[] {
  const cases = [...xml.matchAll(/<testcase name="([^"]*)"[^>]*>(.*?)<\/testcase>/gs)]
    .map(([, name = "", body = ""]) => ({ name, body }));
  const groups = new Set(
    cases.flatMap(({ name }) => {
      const parts = name.split(" &gt; ");
      return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join(" &gt; "));
    }),
  );
  return cases.flatMap(({ name, body }): Case[] => {
    const [, summary, thrown = summary] = FAILED.exec(body) ?? [];
    if (summary === undefined && groups.has(name)) return [];
    if (summary !== undefined && /^\d+ test steps? failed$/.test(summary)) return [];
    const outcome = summary !== undefined
      ? "failed"
      : body.includes("<skipped")
      ? "skipped"
      : "passed";
    return [{ name: unescape(name), outcome, message: unescape(thrown ?? "") }];
  });
}

/** How many of the innermost tests of a report had which outcome. */
export function countJunit(xml: string): Counts {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { outcome } of innermost(xml)) counts[outcome] += 1;
  return counts;
}

/** The innermost tests of a report that failed, in its order. */
export function failuresOf(xml: string): Failure[] {
  return innermost(xml)
    .filter(({ outcome }) => outcome === "failed")
    .map(({ name, message }) => ({ name, message }));
}

/** A step that failed as a whole (a module that does not load) or that ran no test counts as one failure. */
export function countStep(success: boolean, xml: string): Counts {
  const counts = countJunit(xml);
  const ranNothing = counts.passed + counts.failed + counts.skipped === 0;
  return (!success && counts.failed === 0) || ranNothing
    ? { ...counts, failed: counts.failed + 1 }
    : counts;
}
