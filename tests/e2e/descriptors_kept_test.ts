/** Descriptors of the terminal move with all that belongs to them; those of anything else stay. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { readFds } from "../../src/proc/fds.ts";
import { assertNoneLeft, RESTLESS, SHAPES, Target } from "../support/e2e_target.ts";
import { requires, requiresCompiler, victim } from "../support/programs.ts";
import { untilAllBlocked } from "../support/victim.ts";
import { Terminal } from "../support/terminal.ts";

function linksOf(pid: number): Map<number, string> {
  return new Map((readFds(pid, pid) ?? []).map(({ fd, link }) => [fd, link]));
}

/** Opens what its arguments name, and more, under numbers that it tells; then says lines back. */
const HOLDER = `
import fcntl, os, socket, sys
other, path = sys.argv[1:]
held = {
    "other": os.open(other, os.O_RDWR | os.O_NOCTTY),
    "other again": os.open(other, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK),
    "file": os.open(path, os.O_RDWR | os.O_APPEND),
    "pipe": os.pipe()[1],
    "socket": socket.socketpair()[0].detach(),
    "master": os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY),
    "null": os.open("/dev/null", os.O_WRONLY),
}
print("ready", *held.values(), flush=True)
for line in sys.stdin:
    name = line.strip()
    os.write(held[name], ("to %s\\n" % name).encode())
    print("wrote", flush=True)
`;

/** Threads, each in read(2) of the terminal, by three descriptors: each says one line back and ends. */
const READERS = `
import os, threading
fds = [0, os.dup(0), os.open("/dev/tty", os.O_RDONLY)]
def read(number):
    text = os.read(fds[number], 100).decode().strip()
    os.write(1, ("thread %d: %s\\n" % (number, text)).encode())
threads = [threading.Thread(target=read, args=[number]) for number in range(3)]
for thread in threads:
    thread.start()
print("ready", flush=True)
for thread in threads:
    thread.join()
print("all have read", flush=True)
`;

describe("descriptors of the target", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    requiresCompiler(`on the terminal: access, flags, sharing, /dev/tty, ${shape}`, () => {
      using target = Target.start(shape, [victim("descriptors")], (terminal) => {
        terminal.expect("ready");
      });
      const old = target.terminal;
      const ask = (terminal: Terminal, pattern: RegExp): string => {
        terminal.line("report");
        const told = terminal.expect(/report .* fds:(.*)\r\n/)[1]!;
        terminal.line("shared");
        return `${told} ${terminal.expect(pattern)[0]}`;
      };
      const before = ask(old, /shared:.*\r\n/);
      const terminals = [0, 1, 2, 3, 4, 5, 7];
      using moved = target.move();
      const links = linksOf(target.pid);
      const device = links.get(0)!;
      assertNotEquals(device, old.device);
      assertEquals(terminals.map((fd) => links.get(fd)), terminals.map(() => device));
      assertEquals(links.get(6), "/dev/null");

      // As the target itself sees them. What was opened as /dev/tty had no other name before.
      const after = ask(moved, /shared:.*\r\n/);
      assertEquals(
        after,
        before.replaceAll(old.device, device).replace("7=/dev/tty", `7=${device}`),
      );
      assert(/ 3=\S+:\d+:cloexec/.test(after) && / 0=3/.test(after), after);
      moved.press("^D");
      target.expectEnd(moved, 0);
    });

    requires("python3")(`on another terminal, files, pipes, sockets: untouched, ${shape}`, () => {
      const file = Deno.makeTempFileSync({ prefix: "e2e-" });
      using cleanup = new DisposableStack();
      cleanup.defer(() => Deno.removeSync(file));
      using other = new Terminal({ label: "other" });
      const argv = ["python3", "-c", HOLDER, other.device, file];
      let held: number[] = [];
      using target = Target.start(shape, argv, (terminal) => {
        held = terminal.expect(/ready ([\d ]+)\r\n/)[1]!.split(" ").map(Number);
      }, { snapshot: RESTLESS });
      const before = linksOf(target.pid);
      using moved = target.move();
      const after = linksOf(target.pid);
      assertEquals(held.map((fd) => after.get(fd)), held.map((fd) => before.get(fd)));
      assertNotEquals(after.get(0), target.terminal.device);

      moved.line("other");
      moved.expect("wrote\r\n");
      other.expect("to other\r\n");
      moved.line("file");
      moved.expect("wrote\r\n");
      assertEquals(Deno.readTextFileSync(file), "to file\n");
      moved.press("^D");
      target.expectEnd(moved, 0);
    });

    requires("python3")(`that threads are reading from: they read the new one, ${shape}`, () => {
      using target = Target.start(shape, ["python3", "-c", READERS], (terminal) => {
        terminal.expect("ready\r\n"); // and not the command, which the shell echoes
      }, { snapshot: { mappings: "named" } });
      untilAllBlocked(target.pid);
      using moved = target.move();
      const read = ["one", "two", "three"].map((text) => {
        moved.line(text);
        return moved.expect(new RegExp(`thread (\\d): ${text}\r\n`))[1]!;
      });
      assertEquals(read.sort(), ["0", "1", "2"]);
      moved.expect("all have read\r\n");
      target.expectEnd(moved, 0);
    });
  }

  requiresCompiler("that it shares with its shell: the shell keeps its own", () => {
    using target = Target.start("foreground job", [victim("blocked"), "read"], (terminal) => {
      terminal.expect("ready");
    });
    untilAllBlocked(target.pid);
    const shell = target.shell!;
    const before = linksOf(shell);
    using moved = target.move();
    assertEquals(linksOf(shell), before);
    moved.line("wake");
    moved.expect("done read result=1 errno=0 handled=0 ");
    target.expectEnd(moved, 0);
  });
});
