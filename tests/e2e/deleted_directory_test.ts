/** A working directory that has been deleted, or whose file system has been unmounted. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import { requiresCapability } from "../support/capabilities.ts";
import { IN_DELETED, IN_UNMOUNTED, said } from "../support/deleted_directory.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { Moved } from "../support/input_run.ts";
import { procoutPath } from "../support/procout.ts";
import { requires } from "../support/programs.ts";
import { reptyrPath } from "../support/reptyr.ts";
import { start } from "../support/scripts_run.ts";

describe("in a deleted working directory", () => {
  afterEach(assertNoneLeft);

  it("both programs answer as they do elsewhere", () => {
    for (const program of [reptyrPath, procoutPath]) {
      for (const option of ["--version", "--help"]) {
        assertEquals(said([...IN_DELETED, program, option]), said([program, option]));
      }
    }
    assertEquals(said([...IN_DELETED, reptyrPath, "--list", "--json"]).code, 0);
  });

  it("both programs answer with closed descriptors, too", () => {
    for (const closed of ["<&-", ">&-", "<&- 2>&-"]) {
      const line = `"$0" --version ${closed}; echo "status $?"`;
      const { stdout } = said([...IN_DELETED, "sh", "-c", line, reptyrPath]);
      assertEquals(stdout, said(["sh", "-c", line, reptyrPath]).stdout);
    }
  });

  it("reptyr moves a process", () => {
    using target = start("foreground job", "exec cat");
    using moved = Moved.to(target.pid, { prefix: IN_DELETED });
    moved.terminal.line("hello");
    moved.terminal.expect("hello\r\nhello\r\n");
    moved.terminal.press("^D");
    moved.expectEnd(0);
  });

  it("a relative name is refused with the reason, and leads to no other directory", () => {
    assertEquals(said([...IN_DELETED, procoutPath, "-o", "mirror", "--", "true"]), {
      code: 1,
      stdout: "",
      stderr: "procout: Cannot write to mirror: no such file or directory\n",
    });
  });

  it("procout runs a command, without further open descriptors", () => {
    const line = "readlink /proc/self/cwd; ls /proc/self/fd";
    const { code, stdout } = said([...IN_DELETED, procoutPath, "--", "sh", "-c", line]);
    const [directory, ...fds] = stdout.trim().split("\n");
    assertEquals(code, 0);
    assert(directory!.endsWith(" (deleted)"), directory);
    const { stdout: elsewhere } = said([procoutPath, "--", "sh", "-c", line]);
    assertEquals(fds, elsewhere.trim().split("\n").slice(1));
  });
});

describe("in a working directory on a file system that has been unmounted", () => {
  afterEach(assertNoneLeft);

  const inMounts = requiresCapability("mountns", requires("unshare"));

  inMounts("procout runs, and writes its file there", () => {
    const script = '"$0" -o mirror -- echo hello && echo and && cat mirror';
    const { code, stdout } = said([...IN_UNMOUNTED, "sh", "-c", script, procoutPath]);
    assertEquals(code, 0);
    assertStringIncludes(stdout, "and\nhello\n");
  });
});

describe("in a working directory that is there", () => {
  afterEach(assertNoneLeft);

  it("procout runs a command in the same directory, / included", () => {
    for (const folder of ["/", "/usr"]) {
      const script = `cd ${folder} && exec "$0" -- sh -c pwd`;
      assertEquals(said(["sh", "-c", script, procoutPath]).stdout, `${folder}\n`);
    }
  });
});
