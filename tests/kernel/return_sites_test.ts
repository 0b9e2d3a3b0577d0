/** Where the code stands that a safety net needs, of processes that execute other programs meanwhile. */
import { assert, assertEquals } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { x86_64 } from "../../src/arch/x86_64.ts";
import { readExecutableMaps } from "../../src/proc/maps.ts";
import { ReturnSiteCache } from "../../src/tracee/return_sites.ts";
import { isX86_64, requiresCompiler, requiresCompilerAnd } from "../support/programs.ts";
import { startVictim } from "../support/victim.ts";

/** Where nothing is mapped: the first page of a process. */
const NOWHERE = 0x1000n;

describe("the instructions that a sigframe stack returns through", () => {
  requiresCompilerAnd(isX86_64, "it is about x86_64")(
    "are found in one process after another process has lost its mappings during the search",
    () => {
      using terminal = startVictim("command");
      const { pid } = terminal;
      const maps = readExecutableMaps(pid, pid)!;
      const cache = new ReturnSiteCache();
      const right = cache.find(pid, pid, x86_64, maps);
      assert(right !== undefined);
      // As of a process that has executed another program since these were read.
      const gone = maps.map((mapping) =>
        mapping.executable
          ? { ...mapping, start: NOWHERE, end: NOWHERE + mapping.end - mapping.start }
          : mapping
      );
      assertEquals(cache.find(pid, pid, x86_64, gone), undefined);
      assertEquals(cache.find(pid, pid, x86_64, maps), right);
    },
  );

  requiresCompiler(
    "are searched for in at most two readings of the mappings",
    () => {
      using terminal = startVictim("threads", ["blocked", "1"]);
      const { pid } = terminal;
      const open = Deno.openSync;
      let readings = 0;
      try {
        Deno.openSync = (path, options) => {
          if (path.toString().endsWith("/maps")) readings++;
          return open(path, options);
        };
        new ReturnSiteCache().findEarly(pid);
      } finally {
        Deno.openSync = open;
      }
      assertEquals(readings, 2);
    },
  );
});
