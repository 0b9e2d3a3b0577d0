import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { childrenOf } from "../support/child.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";

describe("Terminal, the tests' own driver", () => {
  it("shows the output of a program, and how the program ended", () => {
    using terminal = Terminal.start(["sh", "-c", "echo hello; exit 7"]);
    assertEquals(terminal.expect(/he(ll)o\r\n/)[1], "ll");
    assertEquals(terminal.expectExit(), { kind: "exited", status: 7 });
    terminal.expectEof();
  });

  it("gives a shell a controlling terminal with job control, keys and a size", () => {
    using terminal = Terminal.start(["bash", "--norc", "--noprofile", "-i"], {
      rows: 10,
      columns: 44,
    });
    terminal.expect("$ ");
    terminal.line("stty size; cat");
    terminal.expect("\r10 44\r\n");
    terminal.line("through cat");
    terminal.expect("through cat\r\nthrough cat\r\n");
    assertEquals(childrenOf(terminal.pid).length, 1);
    terminal.press("^C");
    terminal.expect(/\^C[^]*\$ /);
    terminal.resize(12, 40);
    terminal.line("stty size");
    terminal.expect("12 40");
    terminal.expectScreen((screen) => screen.lines.length === 12);
    assertMatch(terminal.screen.text, /through cat\nthrough cat\n\^C/);
  });

  it("drains one terminal while another is waited for", () => {
    using loud = Terminal.start([
      "sh",
      "-c",
      "head -c 300000 /dev/zero | tr '\\0' x; echo; echo end",
    ]);
    using other = Terminal.start(["sh", "-c", "read line; echo got $line"]);
    waitUntil("the flood", () => loud.output.includes("end"));
    other.line("it");
    other.expect("got it");
    assertEquals(loud.bytes.filter((byte) => byte === 0x78).length, 300_000);
  });

  it("names the expected text and shows the screen after a vain wait", () => {
    using terminal = Terminal.start(["sh", "-c", "echo on the screen; cat"], { label: "left" });
    terminal.expect("screen");
    const error = assertThrows(() => terminal.expect("never", { timeoutMs: 30 }), Error);
    assertMatch(error.message, /30 ms in vain for "never" on left[^]*\|on the screen +\|/);
  });

  it("leaves no process behind, grandchildren included", () => {
    const pids: number[] = [];
    {
      using terminal = Terminal.start([
        "sh",
        "-c",
        "trap '' HUP; setsid sleep 1000 & echo ok; cat",
      ]);
      terminal.expect("ok");
      pids.push(
        terminal.pid,
        ...waitUntil("two children", () => {
          const children = childrenOf(terminal.pid);
          return children.length === 2 && children;
        }),
      );
    }
    for (const pid of pids) {
      waitUntil(`${pid} to be gone`, () => {
        try {
          return /\) Z /.test(Deno.readTextFileSync(`/proc/${pid}/stat`)) && "zombie";
        } catch {
          return "gone";
        }
      });
    }
    assert(pids.length === 3);
    assertThrows(() => Deno.statSync(`/proc/${pids[0]}`), Deno.errors.NotFound);
  });
});
