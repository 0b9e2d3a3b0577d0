import { assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { Procout } from "../support/procout.ts";
import { FLAGS_32, requires32, requiresCompiler, victim } from "../support/programs.ts";

const WIDTHS = [
  { name: "64-bit", it: requiresCompiler, flags: [] as readonly string[] },
  { name: "32-bit", it: requires32(), flags: FLAGS_32 },
];

const FILE = "write\n<writev>\npwrite\n<pwritev>\n<pwritev2>\n" +
  "sendfile\nsendfile at\ncopy_file_range\nend\n";

const SOCKET = "send\nsendto\n<sendmsg>\nsendmmsg 1\nsendmmsg 2\n";

describe("procout sees what is written by", () => {
  afterEach(assertNoneLeft);

  for (const { name, it, flags } of WIDTHS) {
    const program = () => victim("mirror_calls", flags);

    it(`every call to a file: ${name}`, () => {
      using procout = Procout.start(["--stats", "--", program(), "file", "FOLDER"]);
      procout.expectEnd();
      assertEquals(procout.stdout, FILE);
      assertEquals(
        procout.stderr.replace(/[\d.]+ seconds/, "N seconds"),
        `procout: ${FILE.length} bytes, 9 writes, lost bytes: 0, engine: ptrace, N seconds\n`,
      );
    });

    it(`every call to a socket: ${name}`, () => {
      using procout = Procout.start(["--", program(), "socket"]);
      procout.expectEnd();
      assertEquals(procout.stdout, flags.length > 0 ? `${SOCKET}socketcall\n<sendmsg>\n` : SOCKET);
      assertEquals(procout.stderr, "");
    });

    it(`every call to a pipe, and names once what cannot be seen: ${name}`, () => {
      using procout = Procout.start(["--", program(), "pipe", "FOLDER"]);
      procout.expectEnd();
      assertEquals(procout.stdout, "splice\n<vmsplice>\nend\n");
      assertEquals(
        procout.stderr.replace(/process \d+/g, "process N"),
        "procout: What process N writes by splice cannot be shown\n" +
          "procout: What process N writes by tee cannot be shown\n",
      );
    });

    it(`io_uring, by name, once: ${name}`, () => {
      using procout = Procout.start(["--", program(), "uring"]);
      procout.expectEnd();
      if (procout.stdout === "no io_uring here\n") return; // switched off in this kernel
      assertEquals(procout.stdout, "end\n");
      assertEquals(
        procout.stderr.replace(/process \d+/, "process N"),
        "procout: What process N writes by io_uring cannot be shown\n",
      );
    });

    it(`calls that fail or go in part, as far as they go: ${name}`, () => {
      using procout = Procout.start(["--", program(), "short"]);
      procout.expectEnd();
      assertEquals(procout.stdout, `${"a".repeat(65536)}${"b".repeat(4096)}end\n`);
      assertEquals(procout.stderr, "");
    });

    it(`whatever number stands for the file of 1 or 2 at the time: ${name}`, () => {
      using procout = Procout.start(["--", program(), "redirects", "FOLDER"]);
      procout.expectEnd();
      assertEquals(
        procout.stdout,
        [
          ...["1 is one", "a copy of 1", "one opened again", "1 is two", "1 is one again"],
          ...["and so is the copy", "a copy of 1 by dup3", "1 is three", "three by another number"],
        ].map((line) => `${line}\n`).join(""),
      );
      assertEquals(procout.stderr, "2 is what it was\n");
    });
  }
});
