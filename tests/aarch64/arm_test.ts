/** 32-bit arm programs, which are refused. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { afterEach, describe } from "@std/testing/bdd";
import { requiresCapability } from "../support/capabilities.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { linesOf, refused, startOn, Untouched } from "../support/input_run.ts";
import { EF_ARM_EABI_VER5, EM_ARM, executable32 } from "../support/probes/executables.ts";
import { Procout } from "../support/procout.ts";
import { Terminal } from "../support/terminal.ts";
import { untilBlocked } from "../support/victim.ts";

/** Label: mov r7, #29; svc #0; b label. 29 is pause(2). */
const CODE = [0xe3a0701d, 0xef000000, 0xeafffffc];

/** A program that waits. */
function program(): Uint8Array<ArrayBuffer> {
  return executable32(EM_ARM, new Uint8Array(Uint32Array.from(CODE).buffer), EF_ARM_EABI_VER5);
}

const WHY = "it is a 32-bit arm program, and only 64-bit ones are supported";

describe("a 32-bit arm program", () => {
  afterEach(assertNoneLeft);

  requiresCapability("arm32")("is refused with the reason", () => {
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
