/** Interests of epoll(7) in the terminal: they are in the new one then, with the same events and data. */
import { assert, assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { POLLERR, POLLHUP } from "../../src/ffi/constants.ts";
import { readFds } from "../../src/proc/fds.ts";
import { assertNoneLeft, type Shape, SHAPES, Target } from "../support/e2e_target.ts";
import { requiresCompiler, victim } from "../support/programs.ts";
import type { Terminal } from "../support/terminal.ts";

/** <sys/epoll.h>; EPOLLERR and EPOLLHUP are the same numbers as for poll(2). */
const EPOLLONESHOT = 1 << 30;

/** What the kernel tells of every epoll instance of the process; each is in a file of the process. */
function interestsOf(pid: number): string[] {
  const fds = readFds(pid, pid) ?? [];
  return fds.flatMap(({ fd, fdinfo }) =>
    fdinfo.epoll.map(({ tfd, events, data, ino }) => {
      const target = fds.find((one) => one.fd === tfd)!;
      assertEquals(target.ino, ino, `descriptor ${tfd} in ${fd} is another file`);
      return `${fd}: ${tfd} events ${events.toString(16)} data ${data.toString(16)}`;
    })
  ).sort();
}

/** Type `text`: what the three instances of epoll_instances.c tell before and after it is read. */
function look(terminal: Terminal, text: string): [before: string, after: string] {
  terminal.line(text);
  const told = terminal.expect(/before:(.*)\r\nafter:(.*)\r\n/);
  terminal.expect(`line: ${text}\r\n`);
  return [told[1]!, told[2]!];
}

const A = "a:1,1122334455667788";
const B = "b:1,ffffffffffffffff";
const C = "c:1,8000000000000001";

describe("epoll interests in the terminal", () => {
  afterEach(assertNoneLeft);

  const start = (shape: Shape) =>
    Target.start(shape, [victim("epoll_instances")], (terminal) => {
      terminal.expect("ready");
    });

  for (const shape of SHAPES) {
    requiresCompiler(`of three instances, level, edge and one-shot, ${shape}`, () => {
      using target = start(shape);
      const before = interestsOf(target.pid);
      assertEquals(before.length, 8, "two in each instance, those of c by two descriptors");
      using moved = target.move();
      assertEquals(interestsOf(target.pid), before);

      assertEquals(look(moved, "first"), [` ${A} ${B} ${C}`, " a b c"]);
      assertEquals(look(moved, "second"), [` ${A} ${B} c`, " a b c"]);
      look(moved, "arm");
      assertEquals(look(moved, "third"), [` ${A} ${B} ${C}`, " a b c"]);
      moved.line("pipe");
      moved.expect("pipe: a:1,5 b:1,5 c:1,5\r\n");
      assert(!moved.output.includes("interrupted"));
      assert(!target.terminal.output.includes("before:"));
      moved.press("^C");
      target.expectEnd(moved, 130);
    });

    requiresCompiler(`of a one-shot that is disarmed: it stays so, ${shape}`, () => {
      using target = start(shape);
      assertEquals(look(target.terminal, "first"), [` ${A} ${B} ${C}`, " a b c"]);
      const before = interestsOf(target.pid);
      using moved = target.move();
      // The kernel adds these two to whatever is registered; disarming had taken them away.
      const disarmed = `events ${EPOLLONESHOT.toString(16)} `;
      const added = `events ${(EPOLLONESHOT | POLLERR | POLLHUP).toString(16)} `;
      assert(before.some((line) => line.includes(disarmed)));
      assertEquals(interestsOf(target.pid), before.map((line) => line.replace(disarmed, added)));

      assertEquals(look(moved, "second"), [` ${A} ${B} c`, " a b c"]);
      look(moved, "arm");
      assertEquals(look(moved, "third"), [` ${A} ${B} ${C}`, " a b c"]);
      moved.press("^C");
      target.expectEnd(moved, 130);
    });
  }
});
