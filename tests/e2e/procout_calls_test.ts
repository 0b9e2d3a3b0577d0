import { assertEquals } from "@std/assert";
import { afterEach } from "@std/testing/bdd";
import { requires32, requiresCapability } from "../support/capabilities.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { describeEngines, Procout } from "../support/procout.ts";
import { FLAGS_32, requiresCompiler, victim } from "../support/programs.ts";

const WIDTHS = [
  { name: "64-bit", it: requiresCompiler, flags: [] as readonly string[] },
  { name: "32-bit", it: requires32(), flags: FLAGS_32 },
];

const WRITTEN = "write\n<writev>\npwrite\n<pwritev>\n<pwritev2>\n";
/** What goes from one descriptor to another is read back from the first one, or named. */
const EXPECTED = {
  ptrace: {
    file: `${WRITTEN}sendfile\nsendfile at\ncopy_file_range\nend\n`,
    writes: 9,
    fileUnseen: [],
    pipe: "splice\n<vmsplice>\nend\n",
  },
  bpf: {
    file: `${WRITTEN}end\n`,
    writes: 6,
    fileUnseen: ["sendfile", "copy_file_range"],
    pipe: "<vmsplice>\nend\n",
  },
} as const;

function unseen(calls: readonly string[]): string {
  return calls.map((call) => `procout: What process N writes by ${call} cannot be shown\n`).join(
    "",
  );
}

const SOCKET = "send\nsendto\n<sendmsg>\nsendmmsg 1\nsendmmsg 2\n";

/** What was read, call by call. */
function taken(lines: string): string[] {
  return lines.trim().split("\n").map((line) => JSON.parse(line))
    .filter(({ fd }) => fd === 0).map(({ text }) => text);
}

describeEngines("procout sees what is written by", (engine) => {
  afterEach(assertNoneLeft);

  for (const { name, it, flags } of WIDTHS) {
    const program = () => victim("mirror_calls", flags);

    it(`every call to a file: ${name}`, () => {
      using procout = Procout.start(["--stats", "--", program(), "file", "FOLDER"]);
      procout.expectEnd();
      const { file, writes, fileUnseen } = EXPECTED[engine];
      assertEquals(procout.stdout, file);
      assertEquals(
        procout.stderr.replace(/[\d.]+ seconds/, "N seconds").replace(
          /process \d+/g,
          "process N",
        ),
        `${unseen(fileUnseen)}procout: ${file.length} bytes, ${writes} writes, lost bytes: 0, ` +
          `engine: ${engine}, N seconds\n`,
      );
    });

    it(`every call to a socket: ${name}`, () => {
      using procout = Procout.start(["--", program(), "socket"]);
      procout.expectEnd();
      assertEquals(
        procout.stdout,
        flags.length > 0 ? `${SOCKET}socketcall\n<sendmsg>\n` : SOCKET,
      );
      assertEquals(procout.stderr, "");
    });

    it(`every call to a pipe, and names once each call that it cannot see: ${name}`, () => {
      using procout = Procout.start(["--", program(), "pipe", "FOLDER"]);
      procout.expectEnd();
      assertEquals(procout.stdout, EXPECTED[engine].pipe);
      assertEquals(
        procout.stderr.replace(/process \d+/g, "process N"),
        unseen(["splice", "tee"]),
      );
    });

    requiresCapability("io_uring", it)(`io_uring, by name, once: ${name}`, () => {
      using procout = Procout.start(["--", program(), "uring"]);
      procout.expectEnd();
      assertEquals(procout.stdout, "end\n");
      assertEquals(
        procout.stderr.replace(/process \d+/, "process N"),
        "procout: What process N writes by io_uring cannot be shown\n",
      );
    });

    it(`every call that receives data, and no call that only peeks: ${name}`, () => {
      using procout = Procout.start(["-i", "--format=json", "--", program(), "peek"]);
      procout.expectEnd();
      const socketcalls = flags.length > 0 ? ["socketcall,", "its message,"] : [];
      assertEquals(taken(procout.stdout), ["recv,", "recvmsg,", "recvmmsg,", ...socketcalls]);
      assertEquals(procout.stderr, "");
    });

    it(`the part of a datagram that fitted into the buffer: ${name}`, () => {
      using procout = Procout.start(["-i", "--format=json", "--", program(), "truncated"]);
      procout.expectEnd();
      assertEquals(taken(procout.stdout), ["1st ", "2nd ", "3rd ", "end"]);
      assertEquals(procout.stderr, "");
    });

    it(`calls that fail or write a part, for the written part: ${name}`, () => {
      using procout = Procout.start(["--", program(), "short"]);
      procout.expectEnd();
      assertEquals(procout.stdout, `${"a".repeat(65536)}${"b".repeat(4096)}end\n`);
      assertEquals(procout.stderr, "");
    });

    it(`whatever descriptor is open on the file of 1 or 2 at the time: ${name}`, () => {
      using procout = Procout.start(["--", program(), "redirects", "FOLDER"]);
      procout.expectEnd();
      assertEquals(
        procout.stdout,
        [
          ...["1 is one", "a copy of 1", "one opened again", "1 is two", "1 is one again"],
          ...[
            "and so is the copy",
            "a copy of 1 by dup3",
            "1 is three",
            "three by another number",
          ],
        ].map((line) => `${line}\n`).join(""),
      );
      assertEquals(procout.stderr, "2 is what it was\n");
    });

    it(`a descriptor that was written to before it, or 1, was open: ${name}`, () => {
      using procout = Procout.start(["--", program(), "opened", "FOLDER"]);
      procout.expectEnd();
      assertEquals(procout.stdout, "opened\ncopied\nreceived\n1 is opened again\n");
      assertEquals(procout.stderr, "");
    });
  }
});
