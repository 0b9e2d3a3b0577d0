/** The terminals that people move programs to: a pane of tmux, and one with a shell on it. */
import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { afterEach, describe } from "@std/testing/bdd";
import { ProcessHandle } from "../support/child.ts";
import { assertNoneLeft, PROMPT, RESTLESS, SHELL, Target } from "../support/e2e_target.ts";
import { requires, VIM_OPTIONS } from "../support/programs.ts";
import { reptyrPath } from "../support/reptyr.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";

describe("reptyr in a pane of tmux", () => {
  afterEach(assertNoneLeft);

  requires("tmux", "vim")("moves vim there, and tmux shows its screen", () => {
    const folder = Deno.makeTempDirSync({ prefix: "e2e-" });
    using cleanup = new DisposableStack();
    cleanup.defer(() => Deno.removeSync(folder, { recursive: true }));
    const file = join(folder, "text");
    Deno.writeTextFileSync(file, "first line\n");

    const tmux = (...args: readonly string[]): string => {
      const { success, stdout, stderr } = new Deno.Command("tmux", {
        args: ["-S", join(folder, "socket"), "-f", "/dev/null", ...args],
        env: { TERM: "xterm-256color" },
        stdin: "null",
      }).outputSync();
      assert(success, new TextDecoder().decode(stderr));
      return new TextDecoder().decode(stdout);
    };
    tmux(
      "new-session",
      "-d",
      "-x",
      "60",
      "-y",
      "15",
      "env",
      "-i",
      "TERM=screen",
      "PS1=$ ",
      ...SHELL,
    );
    using server = new ProcessHandle(Number(tmux("display-message", "-p", "#{pid}")));
    cleanup.defer(() => {
      tmux("kill-server");
      assert(server.waitForEnd(20_000), "the tmux server ends");
    });
    const shown = (wanted: RegExp): boolean =>
      waitUntil(`${wanted} in the pane`, () => wanted.test(tmux("capture-pane", "-p")));
    shown(/^\$$/m);

    const argv = ["vim", ...VIM_OPTIONS, file];
    using vim = Target.start("session leader", argv, (terminal) => {
      terminal.expectScreen(/first line[^]* 1L, 11B/);
    }, { snapshot: RESTLESS });
    vim.moveBy(() => {
      tmux("send-keys", `${reptyrPath} ${vim.pid}`, "Enter");
      return undefined;
    }, vim.terminal);
    shown(/^first line\n(~\n){13}/);
    tmux("send-keys", "ohello", "Escape");
    shown(/^first line\nhello\n/);
    tmux("resize-window", "-x", "50", "-y", "10");
    shown(/^first line\nhello\n(~\n){7}/);
    tmux("send-keys", ":x", "Enter");
    shown(/^\$$/m);
    assert(vim.handle.ended);
    assertEquals(Deno.readTextFileSync(file), "first line\nhello\n");
    tmux("send-keys", "echo status $?", "Enter");
    shown(/^status 0$/m);
  });
});

describe("reptyr typed into a shell", () => {
  afterEach(assertNoneLeft);

  requires("bash", "cat")("restores the terminal, and returns the exit status", () => {
    using cat = Target.start("foreground job", ["cat"], (terminal) => {
      terminal.line("before");
      terminal.expect("before\r\nbefore\r\n");
    });
    using shell = Terminal.start(SHELL);
    shell.expect(PROMPT);
    shell.line("stty -g; stty -a | grep -o ' -*echo '");
    const settings = shell.expect(/\r([0-9a-f:]{40,})\r\n +echo/)[1]!;
    shell.expect(PROMPT);
    cat.moveBy(() => {
      shell.line(`${reptyrPath} ${cat.pid}`);
      return undefined;
    }, shell);
    shell.line("after");
    shell.expect("after\r\nafter\r\n");
    shell.press("^C");
    shell.expect(PROMPT);
    shell.line("echo status $?; stty -g");
    shell.expect(`status 130\r\n${settings}\r\n`);
    assert(cat.handle.ended);
  });
});
