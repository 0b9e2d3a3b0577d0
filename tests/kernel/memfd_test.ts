/** What is called as a file of memory, and is none, is not opened. */
import { assertEquals } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import { close, open } from "../../src/ffi/descriptor.ts";
import { O_NONBLOCK, O_RDWR } from "../../src/ffi/constants.ts";
import { readMemfds } from "../../src/proc/memfd.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { startHolder } from "../support/forged_record.ts";
import { NOBODY } from "../support/input_run.ts";
import { requiresCompiler } from "../support/programs.ts";

const NAME = "reptyr-job";
const MAX = 4096;

const withMemory = requiresCapability("memfd", requiresCompiler);
const asRoot = requiresCapability(["users", "memfd", "mountns"], requiresCompiler);
const asNobody = requiresCapability(["users", "memfd"], requiresCompiler);

function read(pid: number, max = MAX): string[] {
  return readMemfds(pid, NAME, max).map(({ bytes }) => new TextDecoder().decode(bytes));
}

describe("files of memory that another process has made", () => {
  afterEach(assertNoneLeft);

  withMemory("are read where they are sealed, and no longer than they may be", () => {
    const files = ["memfd", "some text", "memfd", "x".repeat(MAX), "unsealed", "may change"];
    using holder = startHolder([...files, "sparse", `${1 << 30}`], []);
    assertEquals(read(holder.pid), ["some text", "x".repeat(MAX)]);
    assertEquals(read(holder.pid, MAX - 1), ["some text"]);
  });

  asRoot("are those of the same mount in every mount namespace; nothing else is opened", () => {
    const files = ["fifo", "device", "fifo", "memfd", "in a namespace", "user", `${NOBODY}`];
    using holder = startHolder(files, []);
    const folder = `/proc/${holder.pid}/fd`;
    const called = Array.from(Deno.readDirSync(folder), ({ name }) => `${folder}/${name}`)
      .filter((path) => Deno.readLinkSync(path) === `/memfd:${NAME} (deleted)`);
    assertEquals(called.length, 4);
    assertEquals(read(holder.pid), ["in a namespace"]);
    // Events come in their order: those of the first two would be there before this one.
    close(open(called[2]!, O_RDWR | O_NONBLOCK));
    assertEquals(holder.expect(/opened (\d)/)[1], "3");
  });

  asNobody("have their makers' ids", () => {
    using holder = startHolder(["memfd", "a text"]);
    const [file] = readMemfds(holder.pid, NAME, MAX);
    assertEquals([file?.uid, file?.gid], [NOBODY, NOBODY]);
  });

  withMemory("are not looked for among very many descriptors", () => {
    const cases: [number, string[]][] = [[900, ["few"]], [1 << 14, []]];
    for (const [number, found] of cases) {
      using holder = startHolder(["memfd", "few", "wide", `${number}`], []);
      assertEquals(read(holder.pid), found);
    }
  });

  it("are none of a process that is gone", () => assertEquals(read(1 << 22), []));
});
