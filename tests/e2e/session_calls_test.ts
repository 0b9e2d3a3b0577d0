/** System calls that the target was in: they go on, as if it had not been moved. */
import { assert, assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { assertNoneLeft, type Shape, SHAPES, Target } from "../support/e2e_target.ts";
import { requiresCompiler, victim } from "../support/programs.ts";
import { untilAllBlocked } from "../support/victim.ts";

/** Calls without an end of their own, which a byte, a post or a wake ends once a line is typed. */
const WOKEN = [
  ["read", 1],
  ["read-timeout", 1],
  ["recv", 1],
  ["poll", 1],
  ["ppoll", 1],
  ["select", 1],
  ["epoll_wait", 1],
  ["epoll_pwait", 1],
  ["semop", 0],
  ["futex", 0],
  ["rt_sigtimedwait", 12], // SIGUSR2
] as const;

/** Calls that end only by a signal with a handler. */
const SIGNALED = ["pause", "sigsuspend"];

/** Calls that end at their time, with what they return then. */
const TIMED = [
  ["nanosleep", "result=0 errno=0"],
  ["clock_nanosleep", "result=0 errno=0"],
  ["poll", "result=0 errno=0"],
  ["ppoll", "result=0 errno=0"],
  ["epoll_wait", "result=0 errno=0"],
  ["futex", "result=-1 errno=ETIMEDOUT"],
] as const;

/** Long enough for all of them to be moved meanwhile. */
const TIME_MS = 4000;

/** SIGUSR1 on x86_64 and aarch64. */
const SIGUSR1 = 10;

function startBlocked(shape: Shape, ...args: readonly string[]): Target {
  const target = Target.start(shape, [victim("blocked"), ...args], (terminal) => {
    terminal.expect("ready");
  });
  untilAllBlocked(target.pid);
  return target;
}

describe("a call in which the target is blocked", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    requiresCompiler(`goes on waiting: ${WOKEN.map(([call]) => call).join(", ")}, ${shape}`, () => {
      for (const [call, result] of WOKEN) {
        using target = startBlocked(shape, call);
        using moved = target.move();
        moved.line("wake");
        moved.expect(`done ${call} result=${result} errno=0 handled=0 `);
        target.expectEnd(moved, 0);
      }
    });

    requiresCompiler(`ends at a signal of its own only: ${SIGNALED.join(", ")}, ${shape}`, () => {
      for (const call of SIGNALED) {
        using target = startBlocked(shape, call);
        using moved = target.move();
        untilAllBlocked(target.pid);
        target.handle.signal(SIGUSR1);
        moved.expect(`done ${call} result=-1 errno=EINTR handled=1 `);
        target.expectEnd(moved, 0);
      }
    });

    requiresCompiler(
      `ends at its time: ${TIMED.map(([call]) => call).join(", ")}, ${shape}`,
      () => {
        using stack = new DisposableStack();
        const all = TIMED.map(([call, result]) => {
          const target = stack.use(startBlocked(shape, call, String(TIME_MS)));
          return { result, call, target, moved: stack.use(target.move()) };
        });
        all.forEach(({ call, result, target, moved }) => {
          const done = moved.expect(/done (\w+) (.*) handled=0 elapsed_us=(\d+)/);
          assertEquals([done[1], done[2]], [call, result]);
          assert(Number(done[3]) >= TIME_MS * 1000, done[0]);
          target.expectEnd(moved, 0);
        });
      },
    );
  }
});
