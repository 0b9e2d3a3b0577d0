/** What is said of processes before a move, by what this system shows of them. */
import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { libc } from "../../src/ffi/libc.ts";
import { attachFailure, preflight } from "../../src/reptyr/inspect/preflight.ts";

// Opened within a test, it would be taken for a leak of that.
libc();

describe("preflight", () => {
  const refusedBy = (pid: number) => {
    try {
      preflight(pid, { forceStdio: false, alone: false });
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  };

  it("refuses a PID that no process has, and this process itself", () => {
    assertEquals(refusedBy(4194305), "Cannot move process 4194305: no such process");
    assert(refusedBy(Deno.pid)?.endsWith("it is this reptyr itself"));
    assert(
      refusedBy(Deno.ppid)?.endsWith("it is the shell (or an ancestor) this reptyr runs under"),
    );
  });

  it("refuses a thread, and names its process", () => {
    const tid = Array.from(Deno.readDirSync(`/proc/${Deno.pid}/task`), ({ name }) => Number(name))
      .find((tid) => tid !== Deno.pid);
    assert(tid !== undefined, "Deno has threads of its own");
    assert(refusedBy(tid)?.includes(`it is a thread of process ${Deno.pid} (`));
  });

  it("refuses a process on no terminal", async () => {
    const child = new Deno.Command("cat", { stdin: "piped", stdout: "null", stderr: "null" })
      .spawn();
    try {
      const message = refusedBy(child.pid);
      assertEquals(message, "Target is not connected to a terminal");
    } finally {
      await child.stdin.close();
      await child.status;
    }
    assertEquals(
      attachFailure(child.pid).message,
      `Cannot move process ${child.pid}: no such process`,
    );
  });
});
