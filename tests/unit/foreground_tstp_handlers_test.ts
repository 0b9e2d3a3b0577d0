import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  type Candidate,
  foregroundTstpHandlers,
} from "../../src/reptyr/move/screen/foreground_tstp_handlers.ts";

const candidate = (pid: number, ppid: number, pgrp: number, catchesStop: boolean): Candidate => ({
  ...{ pid, ppid, pgrp, catchesStop },
  ...{ session: 1, ttyNr: 0x8801 },
});

describe("foregroundTstpHandlers", () => {
  it("are the processes of the foreground group that catch SIGTSTP", () => {
    assertEquals(foregroundTstpHandlers([candidate(10, 1, 10, true)], 10), [10]);
    assertEquals(foregroundTstpHandlers([candidate(10, 1, 10, false)], 10), []);
    assertEquals(foregroundTstpHandlers([candidate(10, 1, 10, true)], 1), []);
  });

  it("are the editor alone, and not the wrapper that waits for it", () => {
    const git = candidate(10, 1, 10, false);
    const wrapper = candidate(11, 10, 10, true);
    const script = candidate(12, 11, 10, false);
    const editor = candidate(13, 12, 10, true);
    assertEquals(foregroundTstpHandlers([git, wrapper, script, editor], 10), [13]);
  });

  it("are all processes of a pipeline that catch it", () => {
    assertEquals(
      foregroundTstpHandlers([candidate(10, 1, 10, true), candidate(11, 1, 10, true)], 10),
      [10, 11],
    );
  });

  it("are in the job of a moved shell, and never the shell itself", () => {
    assertEquals(
      foregroundTstpHandlers([candidate(1, 0, 1, true), candidate(10, 1, 10, true)], 10),
      [10],
    );
  });
});
