/** What the kernel refuses, and what it is too old for. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { readStatus } from "../../src/proc/status.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { procoutPath } from "../support/procout.ts";
import { requires } from "../support/programs.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";
import { untilBlocked } from "../support/victim.ts";

const NOBODY = 65534;
const asRoot = requiresCapability("users");

/** `procout WORDS` under strace, the log of its ptrace calls in `log`. */
function underStrace(log: string, inject: readonly string[], pid: number): Terminal {
  const strace = ["strace", "-o", log, "-e", "trace=ptrace", ...inject];
  const env = { NO_COLOR: "1" };
  return Terminal.start([...strace, procoutPath, "--engine=ptrace", "-V", `${pid}`], {
    env,
    columns: 200,
  });
}

describe("procout says why it cannot", () => {
  afterEach(assertNoneLeft);

  asRoot("when the target is another user's", () => {
    using target = Terminal.start(["cat"]);
    untilBlocked(target.pid);
    for (const words of [[target.pid], ["-f", target.pid]]) {
      const { code, stdout, stderr } = new Deno.Command("setpriv", {
        args: [`--reuid=${NOBODY}`, "--clear-groups", procoutPath, ...words.map(String)],
        stdin: "null",
      }).outputSync();
      const said = new TextDecoder().decode(stderr);
      assertEquals([code, stdout.length], [1, 0], said);
      assertMatch(
        said,
        new RegExp(
          `^procout: Cannot attach to process ${target.pid} \\(cat\\): permission denied: .+\\n` +
            `  Run: sudo procout ${target.pid}\\n$`,
        ),
      );
    }
    assertEquals(readStatus(target.pid)?.tracerPid, 0);
  });

  asRoot("and watches the processes that it may watch, under the same user", () => {
    const asNobody = ["setpriv", `--reuid=${NOBODY}`, "--clear-groups"];
    using target = Terminal.start([...asNobody, procoutPath, "--", "sh", "-c", "id -u; exit 3"]);
    target.expect(`${NOBODY}\r\n`);
    assertEquals(target.expectExit(), { kind: "exited", status: 3 });
  });

  requires("cat", "strace")("on a kernel without PTRACE_GET_SYSCALL_INFO", () => {
    const log = Deno.makeTempFileSync({ prefix: "reptyr-strace-" });
    try {
      using target = Terminal.start(["cat"]);
      untilBlocked(target.pid);
      using first = underStrace(log, [], target.pid);
      first.expect("Watching");
      target.line("one");
      first.expect("one\r\n");
      first.press("^C");
      first.expectExit();
      const calls = Deno.readTextFileSync(log).split("\n").filter((line) => /^ptrace/.test(line));
      const number = calls.findIndex((line) => line.includes("PTRACE_GET_SYSCALL_INFO")) + 1;
      assert(number > 0);
      untilBlocked(target.pid);
      // What fails is asked once more, see src/ffi/raw.ts.
      const inject = ["-e", `inject=ptrace:error=EIO:when=${number}..${number + 1}`];
      using second = underStrace(log, inject, target.pid);
      second.expect(
        "procout: Cannot watch: this kernel does not tell about system calls " +
          "(PTRACE_GET_SYSCALL_INFO)\r\n  Linux does since version 5.3\r\n",
      );
      assertEquals(second.expectExit(), { kind: "exited", status: 1 });
      waitUntil("procout to let go", () => readStatus(target.pid)?.tracerPid === 0);
      target.line("two");
      target.expect("two\r\ntwo\r\n");
    } finally {
      Deno.removeSync(log);
    }
  });
});
