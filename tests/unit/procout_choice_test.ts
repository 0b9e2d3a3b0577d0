import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { i386 } from "../../src/arch/i386.ts";
import { x86_64 } from "../../src/arch/x86_64.ts";
import { parseProcout } from "../../src/cli/procout_options.ts";
import { UsageError } from "../../src/errors.ts";
import { callTable, socketcall } from "../../src/procout/calls.ts";
import { type DescriptorFacts, fileKey, streamOf } from "../../src/procout/descriptors.ts";

const STANDARD = { numbers: undefined, stdin: false };

/** Keys by descriptor; `copies` are of the same description as descriptor 1. */
function facts(keys: Record<number, string>, copies: number[] = []): DescriptorFacts {
  return {
    isSameDescription: (fd, other) => other === 1 && copies.includes(fd),
    fileKey: (fd) => keys[fd],
  };
}

describe("streamOf", () => {
  const keys = { 1: "file 1:1", 2: "file 1:2", 3: "file 1:2", 4: "file 1:4", 5: "file 1:4" };
  it("chooses 1 and 2, and descriptors on the same file as one of them", () => {
    const one = (fd: number) => streamOf(fd, STANDARD, facts(keys, [5]));
    assertEquals([1, 2, 3, 4, 5, 6, 0].map(one), [1, 2, 2, undefined, 1, undefined, undefined]);
  });

  it("chooses the numbers asked for, and no others", () => {
    const choice = { numbers: new Set([2, 4]), stdin: false };
    assertEquals([1, 2, 3, 4].map((fd) => streamOf(fd, choice, facts(keys))), [
      undefined,
      2,
      undefined,
      1,
    ]);
  });

  it("chooses the outputs that were given to a command, and only these in its children", () => {
    for (const isCommand of [true, false]) {
      const outputSink = {
        isCommand,
        sameAs: (fd: number) => fd === 9 ? 2 as const : undefined,
        fileKeys: ["device 1:5"],
      };
      const all = { ...facts({ ...keys, 7: "device 1:5" }), outputSink };
      const own = isCommand ? 1 : undefined;
      assertEquals([9, 7, 1].map((fd) => streamOf(fd, STANDARD, all)), [2, 1, own]);
    }
  });
});

describe("fileKey", () => {
  const file = { dev: 1, ino: 2, device: undefined, link: "/a" };
  it("is the same for every descriptor of a file, and for a terminal by any name", () => {
    const pts = { major: 136, minor: 3 };
    const tty = { ...file, device: { major: 5, minor: 0 }, link: "/dev/tty" };
    assertEquals(fileKey({ ...file, link: "/b" }, undefined), fileKey(file, undefined));
    assertEquals(fileKey(tty, pts), fileKey({ ...file, device: pts, link: "/dev/pts/3" }, pts));
    assertEquals(fileKey({ ...file, link: "anon_inode:[eventfd]" }, undefined), undefined);
  });
});

describe("callTable", () => {
  it("names the calls of each architecture by its own numbers", () => {
    for (const [arch, write, name] of [[x86_64, 1, "write"], [i386, 4, "write"]] as const) {
      const table = callTable(arch.auditArch);
      assertEquals(table?.calls[write]?.name, name);
      assertEquals(
        table?.calls.filter((call) => call !== undefined).length,
        Object.keys(arch.watchedCalls).length,
      );
    }
    assertEquals(callTable(0), undefined);
    assertEquals(callTable(i386.auditArch)?.wordBytes, 4);
  });

  it("covers the calls that go through socketcall(2)", () => {
    assertEquals([1, 9, 11, 16, 20].map((number) => socketcall(number)?.name), [
      undefined,
      "send",
      "sendto",
      "sendmsg",
      "sendmmsg",
    ]);
  });
});

describe("parseProcout", () => {
  const DEFAULTS = {
    target: { kind: "processes", pids: [7] },
    follow: false,
    choice: STANDARD,
    output: undefined,
    format: "raw",
    color: "auto",
    engine: "auto",
    ringBytes: 64 << 20,
    lossy: false,
    redraw: false,
    stats: false,
  };
  const command = (...argv: string[]) => ({ target: { kind: "command", argv } });
  const right: [string[], Record<string, unknown>][] = [
    [["7"], {}],
    [["7", "8", "7"], { target: { kind: "processes", pids: [7, 8, 7] } }],
    [["-f", "--stats", "--redraw", "7"], { follow: true, stats: true, redraw: true }],
    [["--fd=1,4-6", "-i", "7"], { choice: { numbers: new Set([1, 4, 5, 6]), stdin: true } }],
    [["-o", "x", "7"], { output: { path: "x", append: false } }],
    [["-oxyz", "7"], { output: { path: "xyz", append: false } }],
    [["-o./x", "7"], { output: { path: "./x", append: false } }],
    [["-a", "--output=x", "7"], { output: { path: "x", append: true } }],
    [["--format", "json", "--color=never", "--engine=ptrace", "7"], {
      format: "json",
      color: "never",
      engine: "ptrace",
    }],
    [["--engine=bpf", "--ring=512K", "--lossy", "7"], {
      engine: "bpf",
      ringBytes: 512 << 10,
      lossy: true,
    }],
    [["--ring=100000000", "7"], { ringBytes: 128 << 20 }],
    [["--", "ls", "--help"], command("ls", "--help")],
    [["-f", "--", "7"], { ...command("7"), follow: true }],
    [["--", "sh", "--", "-h"], command("sh", "--", "-h")],
  ];
  for (const [words, request] of right) {
    it(`takes ${JSON.stringify(words)}`, () =>
      assertEquals(parseProcout(words), {
        kind: "mirror",
        verbose: false,
        request: { ...DEFAULTS, ...request },
      } as ReturnType<typeof parseProcout>));
  }

  const wrong: [string[], string][] = [
    [[], "no PID given, and no COMMAND after '--'"],
    [["0"], "'0' is not a PID: no process has number 0"],
    [["7", "--", "ls"], "either PIDs or a COMMAND after '--' is needed, and '7' is given, too"],
    [["--"], "no COMMAND given after '--'"],
    [["--", ""], "the COMMAND given after '--' is empty"],
    [["-a", "7"], "option '--append' is for '--output'"],
    [["-o"], "option '--output' needs a value: FILE"],
    [
      ["--fd=5-1", "7"],
      "'5-1' is no list of descriptors: numbers and ranges are needed, as in 1,2,5-7",
    ],
    [
      ["--fd=0-99999999", "7"],
      "'0-99999999' is no list of descriptors: numbers and ranges are needed, as in 1,2,5-7",
    ],
    [["--color=red", "7"], "'red' is no choice of colours: one of auto, always, never is needed"],
    [["--engine=ptrace", "--lossy", "7"], "option '--lossy' is for the engine bpf"],
    [["--engine=ptrace", "--ring=1M", "7"], "option '--ring' is for the engine bpf"],
    [
      ["--ring=1K", "7"],
      "'1K' is no size of a ring: 64K to 1G is needed, as in 512K or 64M",
    ],
    [
      ["--ring=much", "7"],
      "'much' is no size of a ring: 64K to 1G is needed, as in 512K or 64M",
    ],
    [["--foo", "7"], "unknown option '--foo'"],
  ];
  for (const [words, message] of wrong) {
    it(`refuses ${JSON.stringify(words)}`, () => {
      assertEquals(assertThrows(() => parseProcout(words), UsageError).message, message);
    });
  }
});
