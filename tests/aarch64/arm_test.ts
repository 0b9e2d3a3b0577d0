/** 32-bit arm programs, which are refused. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { afterEach, describe } from "@std/testing/bdd";
import { EM_ARM } from "../../src/arch/mod.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { linesOf, refused, startOn, Untouched } from "../support/input_run.ts";
import { Procout } from "../support/procout.ts";
import { requiresThat } from "../support/programs.ts";
import { Terminal } from "../support/terminal.ts";
import { untilBlocked } from "../support/victim.ts";

const ADDRESS = 0x10000;
const HEADERS = 52 + 32;
/** Label: mov r7, #29; svc #0; b label. 29 is pause(2). */
const CODE = [0xe3a0701d, 0xef000000, 0xeafffffc];

/** A static program, elf(5), that waits. */
function program(): Uint8Array<ArrayBuffer> {
  const size = HEADERS + 4 * CODE.length;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  const halves: [number, number][] = [[16, 2], [18, EM_ARM], [40, 52], [42, 32], [44, 1]];
  halves.forEach(([at, value]) => view.setUint16(at, value, true));
  const EF_ARM_EABI_VER5 = 0x05000000;
  const words = [1, ADDRESS + HEADERS, 52, 0, EF_ARM_EABI_VER5];
  words.forEach((value, index) => view.setUint32(20 + 4 * index, value, true));
  const segment = [1, 0, ADDRESS, ADDRESS, size, size, 5, 0x1000];
  segment.forEach((value, index) => view.setUint32(52 + 4 * index, value, true));
  CODE.forEach((value, index) => view.setUint32(HEADERS + 4 * index, value, true));
  return bytes;
}

const WHY = "it is a 32-bit arm program, and only 64-bit ones are supported";

/** Some 64-bit arm processors have no 32-bit mode, some kernels do not let programs use it. */
async function runsHere(): Promise<boolean> {
  if (Deno.build.arch !== "aarch64") return false;
  const path = Deno.makeTempFileSync({ prefix: "e2e-" });
  try {
    Deno.writeFileSync(path, program());
    Deno.chmodSync(path, 0o755);
    const child = new Deno.Command(path).spawn();
    child.kill("SIGKILL");
    await child.status;
    return true;
  } catch {
    return false;
  } finally {
    Deno.removeSync(path);
  }
}

const canRun = await runsHere();

describe("a 32-bit arm program", () => {
  afterEach(assertNoneLeft);

  requiresThat(canRun, "no 32-bit arm programs run here")("is refused, and why is said", () => {
    const folder = Deno.makeTempDirSync({ prefix: "e2e-" });
    try {
      const path = join(folder, "waits");
      Deno.writeFileSync(path, program(), { mode: 0o755 });
      using target = Terminal.start([path]);
      untilBlocked(target.pid);
      const untouched = new Untouched(target.pid, "waits");
      assertEquals(refused([target.pid]), [
        `Cannot move process ${target.pid} (${path}): ${WHY}`,
      ]);
      using why = startOn(["--why", target.pid]).terminal;
      assertEquals(why.expectExit(), { kind: "exited", status: 1 });
      assertStringIncludes(linesOf(why.output).join(" "), WHY);
      using procout = Procout.start([target.pid]);
      procout.expectEnd(1);
      assertStringIncludes(procout.stderr, WHY);
      untouched.assert();
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  });
});
