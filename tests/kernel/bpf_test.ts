/** The verifier takes every program in every variant, and what is stated of the kernel's registers is so. */
import { assertEquals } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { SAVED_REGISTERS } from "../../src/arch/pt_regs.ts";
import { libc } from "../../src/ffi/libc.ts";
import { KERNEL_TYPES } from "../../src/procout/bpf/available.ts";
import { findOffsets } from "../../src/procout/bpf/btf.ts";
import { assemble } from "../../src/procout/bpf/assembler.ts";
import { createMaps } from "../../src/procout/bpf/maps.ts";
import { mirrorText } from "../../src/procout/bpf/mirror_asm.ts";
import { goOnText } from "../../src/procout/bpf/pieces_asm.ts";
import { exitText, forkText, signalText } from "../../src/procout/bpf/process_asm.ts";
import type { MirrorSettings } from "../../src/procout/bpf/record_asm.ts";
import { waitText } from "../../src/procout/bpf/room_asm.ts";
import { KERNEL_STRUCTURES } from "../../src/procout/bpf/asm.ts";
import { loadProgram } from "../../src/ffi/bpf.ts";
import { pageBytes } from "../../src/ffi/bpf_memory.ts";
import { close } from "../../src/ffi/descriptor.ts";
import { LoadedPrograms } from "../../src/procout/bpf/loaded.ts";
import { lacks, requiresCapability } from "../support/capabilities.ts";

const it = requiresCapability("bpf");

// Not in a test: it stays open, which Deno would take for a leak.
if (lacks("bpf") === undefined) libc();

describe("the kernel", () => {
  for (const lossy of [false, true]) {
    for (const numbers of [undefined, new Set([1, 2, 7])]) {
      for (const ringBytes of [1 << 16, 1 << 24]) {
        const name = `${lossy ? "lossy" : "holding back"}, ${
          numbers === undefined ? "standard" : "given"
        } descriptors, ring of ${ringBytes} bytes`;
        it(`accepts the programs, and calls the one at sys_exit: ${name}`, () => {
          const choice = { numbers, stdin: lossy };
          const hasGiven = !lossy && ringBytes > 1 << 20;
          using loaded = LoadedPrograms.load({ follow: true, choice, hasGiven, ringBytes, lossy });
          assertEquals([...loaded.watched()], []);
          loaded.watch(Deno.pid);
          assertEquals([...loaded.watched()], [Deno.pid]);
          assertEquals([loaded.misses, loaded.ring.next()], [0, -1]);
        });
      }
    }
  }

  it("accepts the programs that are made for 64-bit arm", () => {
    const opened: number[] = [];
    try {
      const maps = createMaps(1 << 24, 0, pageBytes(), (fd) => opened.push(fd));
      const settings: MirrorSettings = {
        registers: SAVED_REGISTERS.aarch64,
        kernel: findOffsets(Deno.readFileSync(KERNEL_TYPES), KERNEL_STRUCTURES),
        namespace: { inode: 4026532000, level: 1 },
        threadStatus: undefined,
        hasNumbers: false,
        hasGiven: true,
        stdin: true,
        ringBytes: 1 << 24,
        mark: 1 << 22,
      };
      for (const text of [mirrorText, goOnText, waitText, forkText, exitText, signalText]) {
        opened.push(loadProgram("procout_test", assemble(text(settings), maps)));
      }
      assertEquals(opened.every((fd) => fd > 2), true);
    } finally {
      opened.forEach(close);
    }
  });

  it("keeps a call's registers where src/arch says", () => {
    const types = Deno.readFileSync("/sys/kernel/btf/vmlinux");
    const { args, args32, foreign, number } = SAVED_REGISTERS[Deno.build.arch];
    if (Deno.build.arch === "x86_64") {
      const names = ["di", "si", "dx", "r10", "bx", "cx", "orig_ax"] as const;
      const found = findOffsets(types, { pt_regs: names });
      const at = (...wanted: (typeof names)[number][]) =>
        wanted.map((name) => found[`pt_regs.${name}`]);
      assertEquals(args, at("di", "si", "dx", "r10"));
      assertEquals(args32, at("bx", "cx", "dx", "si"));
      assertEquals(number, found["pt_regs.orig_ax"]);
    } else {
      const found = findOffsets(types, { pt_regs: ["regs", "pstate", "orig_x0", "syscallno"] });
      assertEquals([args[0], args[1]], [found["pt_regs.orig_x0"], found["pt_regs.regs"] + 8]);
      assertEquals(number, found["pt_regs.syscallno"]);
      assertEquals(foreign?.offset, found["pt_regs.pstate"]);
    }
  });
});
