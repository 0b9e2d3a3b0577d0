/** A choice of tests/kernel/restart_test.ts: each way in which this kernel goes on with an interrupted call. */
import { testBlockedCalls } from "../support/blocked_calls.ts";
import { requiresCompiler } from "../support/programs.ts";

const CALLS = ["read", "epoll_wait", "futex", "clock_nanosleep", "sigsuspend"];

testBlockedCalls({ test: requiresCompiler, only: CALLS });
