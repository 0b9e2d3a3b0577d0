/** What is called as a file of memory, and is none, is not opened. */
import { assert, assertEquals } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import { close, open } from "../../src/ffi/descriptor.ts";
import { O_NONBLOCK, O_RDWR } from "../../src/ffi/constants.ts";
import { readMemfd } from "../../src/proc/memfd.ts";
import { Scan } from "../../src/reptyr/record/known_records.ts";
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

function read(pid: number, max = MAX): string | undefined {
  const file = readMemfd(pid, NAME, () => max);
  return file && new TextDecoder().decode(file.bytes);
}

/** The name in /proc of that of its descriptors whose link is `text`. */
function descriptorOn(pid: number, text: string): string {
  const folder = `/proc/${pid}/fd`;
  const found = Array.from(Deno.readDirSync(folder), ({ name }) => `${folder}/${name}`)
    .find((path) => Deno.readLinkSync(path) === text);
  assert(found !== undefined, `Nothing is called ${text}`);
  return found;
}

describe("a memfd of another process", () => {
  afterEach(assertNoneLeft);

  withMemory("is read when it is sealed and not too long", () => {
    const cases: [string, string, number, string | undefined][] = [
      ["memfd", "some text", MAX, "some text"],
      ["memfd", "x".repeat(MAX), MAX, "x".repeat(MAX)],
      ["memfd", "x".repeat(MAX), MAX - 1, undefined],
      ["unsealed", "may change", MAX, undefined],
      ["sparse", `${1 << 30}`, MAX, undefined],
    ];
    for (const [kind, text, max, wanted] of cases) {
      using holder = startHolder([kind, text], []);
      assertEquals(read(holder.pid, max), wanted);
    }
  });

  withMemory("is not opened when another file has its name, whatever file that is", () => {
    for (const other of ["unsealed", "memfd"]) {
      using holder = startHolder(["memfd", "a text", other, "another"], []);
      const never = () => {
        throw new Error("One of them has been opened");
      };
      assertEquals(readMemfd(holder.pid, NAME, never), undefined);
    }
  });

  withMemory("is read until the limit for one maker is reached", () => {
    const large = "x".repeat(96 << 10);
    using holder = startHolder(["memfd", large], []);
    const scan = new Scan();
    let times = 0;
    for (;;) {
      const file = readMemfd(holder.pid, NAME, scan.room);
      if (file === undefined) break;
      scan.note(file);
      times++;
    }
    assertEquals(times, 10);
    assertEquals(scan.room(NOBODY), large.length);
  });

  asRoot("is on the same mount in every mount namespace, and nothing else is opened", () => {
    const cases: [string[], string | undefined][] = [
      [["memfd", "in a namespace"], "in a namespace"],
      [["fifo"], undefined],
      [["device"], undefined],
    ];
    for (const [files, wanted] of cases) {
      using holder = startHolder([...files, "mark", "user", `${NOBODY}`], []);
      assertEquals(read(holder.pid), wanted);
      // Events come in their order: that of another file would be there before this one.
      close(open(descriptorOn(holder.pid, "/mark (deleted)"), O_RDWR | O_NONBLOCK));
      holder.expect(/opened \d/);
      assertEquals(holder.output.match(/opened/g)?.length, 1);
      assertEquals(/opened (\d)/.exec(holder.output)?.[1], wanted === undefined ? "2" : "1");
    }
  });

  asNobody("has the user and group of its maker", () => {
    using holder = startHolder(["memfd", "a text"]);
    const file = readMemfd(holder.pid, NAME, () => MAX);
    assertEquals([file?.uid, file?.gid], [NOBODY, NOBODY]);
  });

  withMemory("is not searched for among very many descriptors", () => {
    const cases: [number, string | undefined][] = [[900, "few"], [1 << 14, undefined]];
    for (const [number, found] of cases) {
      using holder = startHolder(["memfd", "few", "wide", `${number}`], []);
      assertEquals(read(holder.pid), found);
    }
  });

  it("is not found in a process that is gone", () => assertEquals(read(1 << 22), undefined));
});
