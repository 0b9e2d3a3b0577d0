/** `reptyr -T` and the programs that people's terminals belong to: tmux, screen, script, sshd. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { afterEach, describe } from "@std/testing/bdd";
import { readStat } from "../../src/proc/stat.ts";
import { childrenOf, descendantsOf, ProcessHandle } from "../support/child.ts";
import { assertNoneLeft, PROMPT } from "../support/e2e_target.ts";
import { isRoot, settingsOf, startDetached } from "../support/input_run.ts";
import { requires, requiresThat } from "../support/programs.ts";
import { BASH, Stolen, untilIdle } from "../support/steal.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";

/** A folder that is gone after the test. */
function temporary(cleanup: DisposableStack): string {
  const folder = Deno.makeTempDirSync({ prefix: "e2e-" });
  cleanup.defer(() => Deno.removeSync(folder, { recursive: true }));
  return folder;
}

/** The shell below `pid`: the one that is no child of another shell. */
function shellBelow(pid: number): number {
  return waitUntil(
    "the shell",
    () => descendantsOf(pid).find((one) => readStat(one)?.comm === "bash"),
  );
}

/** Clock ticks that a process has computed: fields 14 and 15 of proc_pid_stat(5). */
function ticksOf(pid: number): number {
  const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

describe("reptyr -T takes a terminal", () => {
  afterEach(assertNoneLeft);

  requires("tmux", "bash")("of tmux, which closes that pane and keeps the others", () => {
    using cleanup = new DisposableStack();
    const folder = temporary(cleanup);
    const tmux = (...args: readonly string[]): string => {
      const { success, stdout, stderr } = new Deno.Command("tmux", {
        args: ["-S", join(folder, "socket"), "-f", "/dev/null", ...args],
        env: { TERM: "xterm-256color" },
        stdin: "null",
      }).outputSync();
      assert(success, new TextDecoder().decode(stderr));
      return new TextDecoder().decode(stdout).trim();
    };
    const shell = ["env", "-i", "TERM=screen", "PS1=$ ", ...BASH];
    tmux("new-session", "-d", "-x", "80", "-y", "24", ...shell);
    using server = new ProcessHandle(Number(tmux("display-message", "-p", "#{pid}")));
    cleanup.defer(() => {
      tmux("kill-server");
      assert(server.waitForEnd(20_000), "the tmux server ends");
    });
    tmux("split-window", ...shell);
    const [first, second] = tmux("list-panes", "-F", "#{pane_id} #{pane_pid}").split("\n")
      .map((line) => line.split(" "));
    const shown = (pane: string, wanted: RegExp) =>
      waitUntil(
        `${wanted} in pane ${pane}`,
        () => wanted.test(tmux("capture-pane", "-p", "-t", pane)),
      );
    shown(first![0]!, /^\$/);
    shown(second![0]!, /^\$/);

    using stolen = Stolen.from(Number(first![1]));
    stolen.ask("echo it is $$", `it is ${first![1]}\r\n`);
    waitUntil(
      "tmux to close the pane",
      () => tmux("list-panes", "-F", "#{pane_id}") === second![0],
    );
    tmux("send-keys", "-t", second![0]!, "echo alive", "Enter");
    shown(second![0]!, /^alive$/m);
    untilIdle(server.pid);
    const before = ticksOf(server.pid);
    stolen.ask("echo still here", "still here\r\n");
    untilIdle(server.pid);
    assert(ticksOf(server.pid) - before <= 1, "tmux computes");
    stolen.ask("exit 7", "exit\r\n");
    stolen.expectEnd(7);
  });

  requires("screen", "bash")("of screen, which closes that window and keeps the others", () => {
    using cleanup = new DisposableStack();
    const folder = temporary(cleanup);
    Deno.chmodSync(folder, 0o700);
    using display = Terminal.start(["screen", "-c", "/dev/null", "-S", "test", ...BASH], {
      label: "screen",
      env: { SCREENDIR: folder },
    });
    display.expectScreen(/^\$/m);
    const server = childrenOf(display.pid).find((pid) => readStat(pid)?.comm === "screen")!;
    assert(server !== undefined, "no server of screen");
    const [shell] = childrenOf(server);
    const slave = Deno.readLinkSync(`/proc/${shell}/fd/0`);
    const before = Deno.statSync(slave);
    display.type("\x01c");
    waitUntil("a second window", () => childrenOf(server).length === 2);
    display.expectScreen(/^[^\n]*[$#]/m);

    using stolen = Stolen.from(shell!);
    // In packet mode, which screen uses, each read would begin with a zero byte.
    stolen.ask("echo it is $$", `it is ${shell}\r\n`);
    assert(!stolen.terminal.bytes.includes(0), "packets are shown");
    waitUntil(
      "screen to close the window",
      () =>
        Array.from(Deno.readDirSync(`/proc/${server}/fd`)).filter(({ name }) =>
          Deno.readLinkSync(`/proc/${server}/fd/${name}`).endsWith("ptmx")
        ).length === 1,
    );
    // When it closes a window, screen makes its terminal everybody's.
    waitUntil("the terminal to be private", () => Deno.statSync(slave).mode === before.mode);
    display.line("echo a'live'");
    display.expect("alive");
    untilIdle(server);
    stolen.ask("exit 7", "exit\r\n");
    stolen.expectEnd(7);
    display.line("exit");
    assertEquals(display.expectExit(), { kind: "exited", status: 0 });
  });

  requires("script", "bash")("of script, which waits for its shell without spinning", () => {
    using display = new Terminal({ label: "script" });
    const settings = settingsOf(display);
    display.spawn(["script", "-q", "-c", BASH.join(" "), "/dev/null"]);
    display.expect(PROMPT);
    const shell = shellBelow(display.pid);
    using stolen = Stolen.from(shell);
    stolen.ask("echo it is $$", `it is ${shell}\r\n`);
    stolen.terminal.expect(`Process ${display.pid} goes on without its terminal`);
    untilIdle(display.pid);
    const before = ticksOf(display.pid);
    stolen.ask("echo still here", "still here\r\n");
    untilIdle(display.pid);
    assert(ticksOf(display.pid) - before <= 1, "script computes");
    display.line("lost");
    untilIdle(display.pid);
    stolen.ask("echo and here", "and here\r\n");
    assert(!stolen.terminal.output.includes("lost"));
    stolen.ask("exit 7", "exit\r\n");
    stolen.expectEnd(7);
    // As always, when its shell ends: and it restores its terminal.
    assertMatch(JSON.stringify(display.expectExit()), /"exited"/);
    assertEquals(settingsOf(display), settings);
  });
});

const SSHD = ["/usr/sbin/sshd", "/usr/bin/sshd"].find((path) => {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
});

describe("reptyr -T takes a terminal of sshd", () => {
  afterEach(assertNoneLeft);

  const needed = requires(...SSHD === undefined ? ["sshd"] : [], "ssh", "ssh-keygen", "bash");
  const sshIt = isRoot ? needed : requiresThat(false, "only root can take a terminal of sshd");
  sshIt("as root; the ssh client is disconnected, and the shell lives on", () => {
    using cleanup = new DisposableStack();
    const folder = temporary(cleanup);
    for (const name of ["host", "user"]) {
      const args = ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, name)];
      assert(new Deno.Command("ssh-keygen", { args }).outputSync().success);
    }
    // Where the distribution's own service has not made it; sshd(8) "PrivilegeSeparation".
    try {
      Deno.mkdirSync("/run/sshd", { mode: 0o755 });
      cleanup.defer(() => Deno.removeSync("/run/sshd"));
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
    const port = freePort();
    Deno.writeTextFileSync(
      join(folder, "config"),
      [
        `Port ${port}`,
        "ListenAddress 127.0.0.1",
        `HostKey ${join(folder, "host")}`,
        `AuthorizedKeysFile ${join(folder, "user.pub")}`,
        ...["StrictModes no", "UsePAM no", "PermitRootLogin yes", "PidFile none"],
        ...["PrintMotd no", "PrintLastLog no", ""],
      ].join("\n"),
    );
    using server = startDetached([SSHD!, "-D", "-f", join(folder, "config")]);
    waitUntil("sshd to listen", () => listens(port));
    using client = Terminal.start([
      "ssh",
      "-F/dev/null",
      `-p${port}`,
      ...["-i", join(folder, "user"), "-oStrictHostKeyChecking=no", "-oLogLevel=DEBUG2"],
      ...["-oUserKnownHostsFile=/dev/null", "-E", join(folder, "log"), "-tt", "root@127.0.0.1"],
      `PS1='$ ' exec ${BASH.join(" ")}`,
    ], { label: "ssh" });
    client.expect(PROMPT);
    const shell = shellBelow(server.pid);
    const session = readStat(shell)!.ppid;
    using stolen = Stolen.from(shell);
    stolen.ask("echo it is $$", `it is ${shell}\r\n`);
    waitUntil(
      "the client to hear of the end",
      () => /channel 0: rcvd eof$/m.test(Deno.readTextFileSync(join(folder, "log"))),
    );
    stolen.terminal.expect(`Process ${session} goes on without its terminal`);
    client.line("lost");
    untilIdle(session);
    stolen.ask("echo still here", "still here\r\n");
    assert(!stolen.terminal.output.includes("lost"));
    assert(!client.output.includes("still here"));
    stolen.ask("exit 7", "exit\r\n");
    stolen.expectEnd(7);
    // sshd ends a session with a terminal when its shell ends, not before.
    assertEquals(client.expectExit(), { kind: "exited", status: 7 }, client.describe());
  });
});

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

/** Whether somebody listens there, by proc_net(5): state 0A. */
function listens(port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  return new RegExp(`: 0100007F:${hex} \\S+ 0A `).test(Deno.readTextFileSync("/proc/net/tcp"));
}
