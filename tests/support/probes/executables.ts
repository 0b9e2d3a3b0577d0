/** Programs of another processor mode, made by hand: elf(5). No compiler or library is in the way of the kernel's answer. */
import { join } from "@std/path";
import { spawn } from "../../../src/ffi/spawn.ts";
import { Child } from "../child.ts";
import { reasonOf } from "./attempt.ts";

/** <linux/elf-em.h> */
const EM_386 = 3;
export const EM_ARM = 40;

const ADDRESS = 0x10000;
const HEADERS = 52 + 32;
const LIMIT_MS = 20_000;
const STATUS = 42;

/** A static program of 32 bits with `code` for processor `machine`, e_machine. */
export function executable32(
  machine: number,
  code: Uint8Array,
  flags = 0,
): Uint8Array<ArrayBuffer> {
  const size = HEADERS + code.length;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  const halves: [number, number][] = [[16, 2], [18, machine], [40, 52], [42, 32], [44, 1]];
  halves.forEach(([at, value]) => view.setUint16(at, value, true));
  const words = [1, ADDRESS + HEADERS, 52, 0, flags];
  words.forEach((value, index) => view.setUint32(20 + 4 * index, value, true));
  const segment = [1, 0, ADDRESS, ADDRESS, size, size, 5, 0x1000];
  segment.forEach((value, index) => view.setUint32(52 + 4 * index, value, true));
  bytes.set(code, HEADERS);
  return bytes;
}

/** mov $1, %eax; mov $42, %ebx; int $0x80: exit(42). */
const EXIT_IA32 = Uint8Array.of(0xb8, 1, 0, 0, 0, 0xbb, STATUS, 0, 0, 0, 0xcd, 0x80);

/** mov r7, #1; mov r0, #42; svc #0: exit(42). */
const EXIT_ARM = new Uint8Array(Uint32Array.of(0xe3a07001, 0xe3a00000 | STATUS, 0xef000000).buffer);

export const EF_ARM_EABI_VER5 = 0x05000000;

/** Why a program of these bytes does not run to its end, which is exit status 42; undefined where it does. */
export function whyDoesNotRun(program: Uint8Array): string | undefined {
  const folder = Deno.makeTempDirSync({ prefix: "reptyr-probe-" });
  try {
    const path = join(folder, "program");
    Deno.writeFileSync(path, program, { mode: 0o755 });
    // posix_spawn(3) gives the kernel's answer; execvp(3) would have a shell read the file after ENOEXEC.
    using child = new Child(spawn([path], { env: {} }));
    if (!child.handle.waitForEnd(LIMIT_MS)) return `it does not end within ${LIMIT_MS / 1000} s`;
    const { status } = child;
    return status?.kind === "exited" && status.status === STATUS
      ? undefined
      : `it is executed, and ends with ${JSON.stringify(status)}`;
  } catch (error) {
    return reasonOf(error).replace(/^posix_spawnp\(.*?\)/, "execve(2)");
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

export function whyNoIa32(): string | undefined {
  if (Deno.build.arch !== "x86_64") return `this is ${Deno.build.arch}`;
  return whyDoesNotRun(executable32(EM_386, EXIT_IA32));
}

export function whyNoArm32(): string | undefined {
  if (Deno.build.arch !== "aarch64") return `this is ${Deno.build.arch}`;
  return whyDoesNotRun(executable32(EM_ARM, EXIT_ARM, EF_ARM_EABI_VER5));
}
