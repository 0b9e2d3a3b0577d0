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

describe("whomToAsk", () => {
  it("asks who handles SIGTSTP in the foreground", () => {
    assertEquals(foregroundTstpHandlers([candidate(10, 1, 10, true)], 10), [10]);
    assertEquals(foregroundTstpHandlers([candidate(10, 1, 10, false)], 10), []);
    assertEquals(foregroundTstpHandlers([candidate(10, 1, 10, true)], 1), []);
  });

  it("asks the editor and not those who wait for it", () => {
    const git = candidate(10, 1, 10, false);
    const wrapper = candidate(11, 10, 10, true);
    const script = candidate(12, 11, 10, false);
    const editor = candidate(13, 12, 10, true);
    assertEquals(foregroundTstpHandlers([git, wrapper, script, editor], 10), [13]);
  });

  it("asks each of a pipeline", () => {
    assertEquals(
      foregroundTstpHandlers([candidate(10, 1, 10, true), candidate(11, 1, 10, true)], 10),
      [10, 11],
    );
  });

  it("asks the job of a shell that is moved, and not the shell", () => {
    assertEquals(
      foregroundTstpHandlers([candidate(1, 0, 1, true), candidate(10, 1, 10, true)], 10),
      [10],
    );
  });
});
