import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { isGone, unlessGone } from "../../src/proc/gone.ts";
import { livingThread } from "../../src/proc/stat.ts";
import { listPids, listTids, readWchan } from "../../src/proc/tasks.ts";
import { throughThread } from "../../src/proc/threads.ts";

const NO_PID = 4194305; // above PID_MAX_LIMIT, so no process can have it

describe("listPids and listTids", () => {
  it("finds this process and its first thread, in ascending order", () => {
    const pids = listPids();
    assert(pids.includes(Deno.pid));
    assertEquals(pids, pids.toSorted((a, b) => a - b));
    const tids = listTids(Deno.pid) ?? [];
    // The first thread need not have the lowest number: the kernel begins anew at pid_max.
    assert(tids.includes(Deno.pid));
    assertEquals(tids, tids.toSorted((a, b) => a - b));
    assert(tids.length > 1, "Deno has threads of its own");
  });
  it("says undefined for a process that is gone", () => {
    assertEquals(listTids(NO_PID), undefined);
  });
});

describe("livingThread and throughThread", () => {
  it("choose the first thread as long as it lives, whatever the numbers of the others", () => {
    assertEquals(livingThread(Deno.pid), Deno.pid);
    assertEquals(throughThread(Deno.pid, (tid) => tid), Deno.pid);
  });
  it("return undefined for a process that is gone, without asking further", () => {
    assertEquals(livingThread(NO_PID), undefined);
    assertEquals(throughThread(NO_PID, () => "asked"), undefined);
  });
  it("pass on the failure of a thread that lives", () => {
    assertThrows(() =>
      throughThread(Deno.pid, () => {
        throw new TypeError("mine");
      }), TypeError);
  });
});

describe("readWchan", () => {
  it("is empty for a thread that is gone", () => {
    assertEquals(readWchan(NO_PID, NO_PID), "");
  });
});

describe("unlessGone", () => {
  it("returns undefined for ENOENT and ESRCH and throws every other failure", async () => {
    assertEquals(unlessGone(() => Deno.readTextFileSync(`/proc/${NO_PID}/stat`)), undefined);

    // ESRCH: the file was opened while the process lived and is read after its end.
    const child = new Deno.Command("cat", { stdin: "piped", stdout: "null" }).spawn();
    const file = Deno.openSync(`/proc/${child.pid}/stat`);
    await child.stdin.close();
    await child.status;
    assertEquals(unlessGone(() => file.readSync(new Uint8Array(64))), undefined);
    file.close();

    assertEquals(isGone(new Deno.errors.PermissionDenied("no")), false);
    assertEquals(isGone(new TypeError("no")), false);
    assertEquals(isGone("no"), false);
  });
});
