/** Our own terminal, whatever the moved program had set on it: right at the end, at ^Z, and back at fg. */
import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { afterEach, beforeEach, describe } from "@std/testing/bdd";
import { SIGKILL, SIGTERM } from "../../src/ffi/constants.ts";
import { kill } from "../../src/ffi/process.ts";
import { assertNoneLeft, PROMPT, RESTLESS, SHAPES, Target } from "../support/e2e_target.ts";
import { MovedJob, startOnTerminal, untilRunning } from "../support/jobs_moved.ts";
import { continueBy, moveInShell, reptyrOf, stopByKey } from "../support/jobs_shell.ts";
import { requires, VIM_OPTIONS } from "../support/programs.ts";
import { reptyrPath } from "../support/reptyr.ts";
import { arrow, assertScreenRight, expectPromptBelow, numberedLines } from "../support/screens.ts";
import { Terminal } from "../support/terminal.ts";
import { untilBlocked } from "../support/victim.ts";
import { WITHOUT_RESOURCE } from "../support/users.ts";

const VIM = ["vim", ...VIM_OPTIONS, "-c", "set mouse=a ttymouse=sgr"];

/** Sets what a terminal can be set to, and leaves a sequence and a string half done. */
const HALF_DONE = `
import os, signal, time
os.write(1, b"\\x1b[?25l\\x1b[1;31m\\x1b(0\\x1b[2 q")
print("ready", flush=True)
signal.signal(signal.SIGWINCH, lambda *unused: os.write(1, b"painted\\r\\n\\x1b[7m\\x1b]0;a title with no e"))
while True: time.sleep(1000)
`;

type Paused = readonly [
  name: string,
  argv: (textFile: () => string) => readonly string[],
  shown: string,
  key: (terminal: Terminal) => void,
];

/** Programs that leave ^Z to the kernel. */
const PAUSED: readonly Paused[] = [
  ["less", (textFile) => ["less", textFile()], "line 1.", (terminal) => {
    arrow(terminal, "Down");
    terminal.expectScreen(({ lines }) => lines[0] === "line 2.");
  }],
  ["top", () => ["top", "-d", "600"], "PID USER", (terminal) => {
    // The line with the load average goes.
    terminal.type("l");
    terminal.expectScreen(({ lines }) => lines[0]!.startsWith("Tasks:"));
  }],
  ["htop", () => ["htop", "-d", "100"], "F10Quit", (terminal) => {
    arrow(terminal, "Down");
    terminal.expectScreen("F10Quit");
  }],
];

/** Bracketed paste, `?2004`, is the shell's between two commands. */
function privateModes(modes: ReadonlySet<string>): string {
  return [...modes].filter((mode) => /^\?(?!2004$)/.test(mode)).sort().join();
}

describe("our terminal after a moved full-screen program", () => {
  let folder = "";
  beforeEach(() => {
    folder = Deno.makeTempDirSync({ prefix: "e2e-" });
  });
  afterEach(() => {
    Deno.removeSync(folder, { recursive: true });
    assertNoneLeft();
  });

  function textFile(): string {
    const file = join(folder, "text");
    Deno.writeTextFileSync(file, numberedLines(200));
    return file;
  }

  /** A job of one, moved to a shell whose screen shows the line that starts reptyr. */
  function move(argv: readonly string[], ready: string, shape: (typeof SHAPES)[number]) {
    const old = startOnTerminal(shape, argv);
    old.expectScreen(ready);
    const pids = untilRunning(old, [argv[0]!]);
    untilBlocked(pids[0]!);
    return { old, pid: pids[0]!, job: new MovedJob(old, pids, RESTLESS) };
  }

  for (const shape of SHAPES) {
    requires("vim")(`is right after SIGKILL for vim, ${shape}`, () => {
      const { old, pid, job } = move([...VIM, textFile()], "line 1.", shape);
      using _old = old;
      using _job = job;
      using shell = moveInShell(job, pid);
      shell.expectScreen(({ alternate, modes, lines }) =>
        alternate && modes.has("?1006") && modes.has("?1") && lines[0] === "line 1."
      );
      kill(pid, SIGKILL);
      shell.expectScreen(({ alternate }) => !alternate);
      expectPromptBelow(shell, `${reptyrPath} ${pid}`);
      shell.line("false; echo status $?");
      shell.expect("status 1\r\n");
    });

    requires("vim")(`is right after SIGTERM for reptyr, ${shape}`, () => {
      const { old, pid, job } = move([...VIM, textFile()], "line 1.", shape);
      using _old = old;
      using _job = job;
      using shell = moveInShell(job, pid);
      shell.expectScreen(({ alternate, modes }) => alternate && modes.has("?1006"));
      kill(reptyrOf(shell), SIGTERM);
      shell.expectScreen("reptyr: ended by SIGTERM");
      expectPromptBelow(shell, "reptyr: ended by SIGTERM");
    });

    for (const [name, argv, isBack, key] of PAUSED) {
      requires(name)(
        `is right while ${name} is stopped by ^Z, and set again at fg, ${shape}`,
        () => {
          const { old, pid, job } = move(argv(textFile), isBack, shape);
          using _old = old;
          using _job = job;
          using shell = moveInShell(job, pid);
          // What reptyr sets for the program may come after what the program repaints.
          const { alternate, modes } = shell.expectScreen((screen) =>
            screen.text.includes(isBack) && screen.modes.has("?1")
          );
          for (let times = 0; times < 2; times++) {
            stopByKey(shell, job);
            shell.line("clear");
            expectPromptBelow(shell, "");
            continueBy(shell, "fg", job);
            shell.expectScreen((screen) =>
              screen.text.includes(isBack) && screen.alternate === alternate &&
              privateModes(screen.modes) === privateModes(modes)
            );
          }
          // top throws away what is typed while it is at work.
          untilBlocked(pid);
          key(shell);
          untilBlocked(pid);
          shell.type("q");
          shell.expect(PROMPT);
          shell.line("echo status $?");
          shell.expect("status 0\r\n");
          assertScreenRight(shell);
        },
      );
    }
  }

  requires("python3")("is right when the program was killed amid a sequence", () => {
    const script = join(folder, "half_done.py");
    Deno.writeTextFileSync(script, HALF_DONE);
    const { old, pid, job } = move(["python3", script], "⎼␊▒␍≤", "session leader");
    using _old = old;
    using _job = job;
    using shell = moveInShell(job, pid);
    shell.expect("with no e");
    kill(pid, SIGKILL);
    expectPromptBelow(shell, "painted");
  });

  requires("vim")("is right when another reptyr moves the program once more", () => {
    const { old, pid, job } = move([...VIM, textFile()], "line 1.", "foreground job");
    using _old = old;
    using _job = job;
    using first = moveInShell(job, pid);
    first.expectScreen(({ modes }) => modes.has("?1006"));
    using second = job.move(pid);
    first.expectScreen("has left this terminal");
    assertScreenRight(first);
    second.expectScreen(({ lines, modes, alternate }) =>
      alternate && modes.has("?1006") && lines[0] === "line 1."
    );
    arrow(second, "Down");
    second.type("dd");
    second.expectScreen(({ lines }) => lines[1] === "line 3.");
    second.line(":q!");
    job.expectEnd(second, 0);
    assertScreenRight(second);
  });

  for (const shape of SHAPES) {
    requires("vim", "prlimit", "setpriv")(
      `vim that cannot be moved keeps its screen, ${shape}`,
      () => {
        using vim = Target.start(shape, [...WITHOUT_RESOURCE, ...VIM, textFile()], (terminal) => {
          terminal.expectScreen("line 1.");
        }, { snapshot: RESTLESS });
        const modes = () =>
          [...vim.terminal.screen.modes].filter((mode) => mode !== "region").sort();
        const before = modes();
        const used = [...Deno.readDirSync(`/proc/${vim.pid}/fd`)].length;
        const limit = ["--pid", String(vim.pid), `--nofile=${used}:${used}`];
        const { success } = new Deno.Command("prlimit", { args: limit }).outputSync();
        assert(success);
        using reptyr = Terminal.start([...WITHOUT_RESOURCE, reptyrPath, String(vim.pid)], {
          label: "reptyr",
        });
        assertEquals(reptyr.expectExit(), { kind: "exited", status: 1 });
        reptyr.expect("it has reached RLIMIT_NOFILE");
        vim.terminal.expectScreen(({ lines, alternate }) =>
          alternate && lines[0] === "line 1." && modes().join() === before.join()
        );
        arrow(vim.terminal, "Down");
        vim.terminal.type("dd");
        vim.terminal.expectScreen(({ lines }) => lines[1] === "line 3.");
        assert(!vim.terminal.output.includes("Stopped"), vim.terminal.describe());
      },
    );
  }
});
