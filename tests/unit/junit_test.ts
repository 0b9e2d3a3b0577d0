import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { countJunit, countStep, failuresOf } from "../../scripts/test/junit.ts";

const testCase = (name: string, body = "") =>
  `<testcase name="${name}" classname="./a_test.ts" time="0.001" line="1" col="1">\n${body}</testcase>`;
const suite = (...cases: string[]) =>
  `<testsuite name="./a_test.ts" tests="9">\n${cases.join("\n")}\n</testsuite>`;
const report = (...suites: string[]) =>
  `<?xml version="1.0"?>\n<testsuites name="deno test">\n${suites.join("\n")}\n</testsuites>`;
const FAILURE = '<failure message="Uncaught">a &lt; b</failure>';

describe("countJunit", () => {
  it("counts the innermost tests only, whichever suite their steps are in", () => {
    const xml = report(
      suite(testCase("group"), testCase("groups are not this"), testCase("other", FAILURE)),
      suite(
        testCase("group &gt; inner"),
        testCase("group &gt; inner &gt; one"),
        testCase("group &gt; inner &gt; two", "<skipped/>"),
      ),
    );
    assertEquals(countJunit(xml), { passed: 2, failed: 1, skipped: 1 });
  });

  it("counts a failure once, not again for its groups", () => {
    const steps = '<failure message="1 test step failed">1 test step failed.</failure>';
    const xml = report(
      suite(testCase("a", steps)),
      suite(testCase("a &gt; b", FAILURE), testCase("a &gt; c")),
    );
    assertEquals(countJunit(xml), { passed: 1, failed: 1, skipped: 0 });
  });

  it("counts a group that failed by itself, as with a leak", () => {
    const leak = '<failure message="Leaks detected">Leaks detected:</failure>';
    const xml = report(suite(testCase("a", leak)), suite(testCase("a &gt; b")));
    assertEquals(countJunit(xml), { passed: 1, failed: 1, skipped: 0 });
  });
});

describe("failuresOf", () => {
  it("gives the full name of each failed test, and the error that was thrown", () => {
    const thrown = '<failure message="Uncaught">&quot;&amp;lt;&quot; &lt; b\nat c</failure>';
    const xml = report(
      suite(testCase("a", '<failure message="1 test step failed">1 step</failure>')),
      suite(testCase("a &gt; b", thrown), testCase("a &gt; c"), testCase("d", "<skipped/>")),
    );
    assertEquals(failuresOf(xml), [{ name: "a > b", message: '"&lt;" < b\nat c' }]);
  });
});

describe("a test that was cancelled by an error outside of it", () => {
  const xml = report(suite(testCase("a", FAILURE), testCase("b", '<error message="Cancelled"/>')));

  it("has failed", () => assertEquals(countJunit(xml), { passed: 0, failed: 2, skipped: 0 }));

  it("says so", () => {
    assertEquals(failuresOf(xml)[1], { name: "b", message: "Cancelled" });
  });
});

describe("countStep", () => {
  const good = report(suite(testCase("a")));

  it("takes the report of a step that succeeded or names its failures", () => {
    assertEquals(countStep(true, good), { passed: 1, failed: 0, skipped: 0 });
    const bad = report(suite(testCase("a", FAILURE)));
    assertEquals(countStep(false, bad), { passed: 0, failed: 1, skipped: 0 });
  });

  it("adds a failure when the step failed outside of its tests or ran none", () => {
    assertEquals(countStep(false, good), { passed: 1, failed: 1, skipped: 0 });
    assertEquals(countStep(false, ""), { passed: 0, failed: 1, skipped: 0 });
    assertEquals(countStep(true, report()), { passed: 0, failed: 1, skipped: 0 });
  });
});
