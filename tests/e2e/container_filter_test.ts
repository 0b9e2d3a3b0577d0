/**
 * reptyr under the seccomp filter of a container, with programs under the same one. The stand-in for the container is a PID
 * namespace with a filter on all that is in it.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { descendantsOf, ProcessHandle } from "../support/child.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { linesOf, Untouched, WIDE } from "../support/input_run.ts";
import { requires, victim } from "../support/programs.ts";
import { reptyrPath } from "../support/reptyr.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";

const inNamespace = requiresCapability(
  ["seccomp", "pidns", "mountns"],
  requires("cc", "bash", "unshare", "nsenter", "script"),
);

type Kind = "podman" | "docker" | "kill";

/** Words that run what follows them as the first program of a container. */
function container(kind: Kind): string[] {
  return ["unshare", "--pid", "--fork", "--mount-proc", victim("under_filter"), kind];
}

/** A shell in a container, and a program on another terminal in there. */
class Container implements Disposable {
  readonly #cleanup = new DisposableStack();

  private constructor(readonly shell: Terminal, readonly handle: ProcessHandle) {
    this.#cleanup.use(shell);
    this.#cleanup.use(handle);
    this.#cleanup.defer(() => handle.end());
  }

  static start(kind: Kind): Container {
    const shell = Terminal.start([...container(kind), "bash", "--norc", "--noprofile", "-i"], WIDE);
    shell.expect("$ ");
    // script(1) gives it a terminal of its own, by setsid(2).
    const line = "sleep 1000";
    shell.line(
      kind === "kill" ? `${line} &` : `script -qc '${line}' /dev/null </dev/null >/dev/null &`,
    );
    const sleep = waitUntil(
      "the program",
      () =>
        descendantsOf(shell.pid).find((pid) =>
          readStat(pid)?.comm === "sleep" && readStat(pid)?.ttyNr !== 0
        ),
    );
    return new Container(shell, new ProcessHandle(sleep));
  }

  /** Of the program, outside and inside. */
  get pid(): number {
    return this.handle.pid;
  }

  get pidInside(): number {
    return readStatus(this.pid)!.nsPid.at(-1)!;
  }

  [Symbol.dispose](): void {
    this.#cleanup.dispose();
  }
}

describe("reptyr in a container", () => {
  afterEach(assertNoneLeft);

  inNamespace("moves a program under the same filter as reptyr, and says how it knows", () => {
    using inside = Container.start("podman");
    const { shell, pidInside: pid } = inside;
    assertEquals(readStatus(inside.pid)?.seccompFilters, 1);
    const { ttyNr } = readStat(inside.pid)!;
    shell.line(`${reptyrPath} --why ${pid}; echo status $?`);
    const [text] = shell.expect(/Move [^]*status \d/);
    assertMatch(text, /Move +can: run/);
    assertMatch(text, /status 0$/);
    assert(!text.includes("suspended"), text);
    shell.line(`${reptyrPath} ${pid}; echo status $?`);
    waitUntil("the move", () => {
      const stat = readStat(inside.pid);
      return stat !== undefined && stat.ttyNr !== ttyNr && readStatus(inside.pid)?.tracerPid === 0;
    });
    shell.press("^C");
    shell.expect("status 130");
  });

  inNamespace("says what it assumes of a program that entered the container in another way", () => {
    using inside = Container.start("podman");
    // As `podman exec`: no ancestor in there, and a filter of its own of the same kind.
    const enter = ["nsenter", "--all", `--target=${inside.pid}`, victim("under_filter"), "podman"];
    using other = Terminal.start([...enter, reptyrPath, "--why", `${inside.pidInside}`], WIDE);
    assertEquals(other.expectExit(), { kind: "exited", status: 0 }, other.describe());
    assertStringIncludes(other.output, "can: run");
    assertStringIncludes(other.output, "is taken to be under the same seccomp filters");
  });

  inNamespace("names the option that Docker needs, when the filter forbids pidfd_getfd(2)", () => {
    using inside = Container.start("docker");
    const untouched = new Untouched(inside.pid);
    inside.shell.line(`${reptyrPath} ${inside.pidInside}; echo status $?`);
    inside.shell.expect("status 1");
    const lines = linesOf(inside.shell.output);
    assert(lines.some((line) => line.endsWith("forbids pidfd_getfd(2) (EPERM)")), lines.join("\n"));
    assert(lines.some((line) => line.includes("docker run --cap-add=SYS_PTRACE")));
    untouched.assert();
  });

  inNamespace("refuses when a call would end the program, as a child finds out", () => {
    using inside = Container.start("kill");
    const untouched = new Untouched(inside.pid);
    inside.shell.line(`${reptyrPath} --why ${inside.pidInside}; echo status $?`);
    inside.shell.expect("status 1");
    assertStringIncludes(inside.shell.output, "ends a process for setsid(2)");
    untouched.assert();
    assert(!inside.handle.ended);
  });

  inNamespace("refuses a program with a further filter of its own", () => {
    using shell = Terminal.start(
      [...container("podman"), "bash", "--norc", "--noprofile", "-i"],
      WIDE,
    );
    shell.expect("$ ");
    shell.line(`${victim("under_filter")} podman sleep 1000 &`);
    const sleep = waitUntil(
      "the program",
      () => descendantsOf(shell.pid).find((pid) => readStat(pid)?.comm === "sleep"),
    );
    using handle = new ProcessHandle(sleep);
    assertEquals(readStatus(sleep)?.seccompFilters, 2);
    const pid = readStatus(sleep)!.nsPid.at(-1)!;
    shell.line(`${reptyrPath} --why ${pid}; echo status $?`);
    shell.expect("status 1");
    assertStringIncludes(shell.output, "it runs under a seccomp filter, which might kill it");
    handle.end();
  });
});

describe("reptyr outside of a container", () => {
  afterEach(assertNoneLeft);

  requiresCapability("devpts", requires("unshare", "bash"))(
    "distinguishes, in --list, a terminal of another devpts from its own of that number",
    () => {
      const mounted = "mount -t devpts -o newinstance,ptmxmode=666 devpts /dev/pts && " +
        "mount --bind /dev/pts/ptmx /dev/ptmx && exec script -qc 'sleep 1000' /dev/null";
      using outer = Terminal.start(["unshare", "--mount", "bash", "-c", mounted], WIDE);
      const sleep = waitUntil(
        "the program",
        () => descendantsOf(outer.pid).find((pid) => readStat(pid)?.comm === "sleep"),
      );
      const list = () => {
        const { stdout } = new Deno.Command(reptyrPath, { args: ["--list", "--json"] })
          .outputSync();
        return JSON.parse(new TextDecoder().decode(stdout)) as {
          pid: number;
          terminal: string;
          terminalElsewhere: boolean;
        }[];
      };
      const found = waitUntil("the list", () => list().find(({ pid }) => pid === sleep));
      assertEquals([found.terminal, found.terminalElsewhere], ["pts/0", true]);
      assertEquals(list().find(({ pid }) => pid === outer.pid)?.terminalElsewhere, false);
      const { stdout } = new Deno.Command(reptyrPath, { args: ["--why", `${sleep}`] }).outputSync();
      assertStringIncludes(new TextDecoder().decode(stdout), "pts/0 (elsewhere)");
      using handle = new ProcessHandle(sleep);
      handle.end();
    },
  );
});
