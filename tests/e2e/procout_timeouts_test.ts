import { afterEach } from "@std/testing/bdd";
import { requires32 } from "../support/capabilities.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { describeEngines } from "../support/procout.ts";
import { FLAGS_32, requiresCompiler } from "../support/programs.ts";
import { testTimedCalls } from "../support/timed_calls.ts";

describeEngines("the time of a target's calls, which procout watches", () => {
  afterEach(assertNoneLeft);
  testTimedCalls({ test: requiresCompiler });
  testTimedCalls({ test: requires32(), flags: FLAGS_32, of: "of a 32-bit program " });
});
