import { testBlockedCalls } from "../support/blocked_calls.ts";
import { requiresCompiler } from "../support/programs.ts";

testBlockedCalls({ test: requiresCompiler });
