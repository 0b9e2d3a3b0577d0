import { assert, assertEquals } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { SIGCONT } from "../../src/ffi/constants.ts";
import { kill } from "../../src/ffi/process.ts";
import { readStat } from "../../src/proc/stat.ts";
import { enterGroupStop } from "../../src/tracee/group_stop.ts";
import { readMemory } from "../../src/tracee/remote_memory.ts";
import { RemoteSyscalls } from "../../src/tracee/remote_syscalls.ts";
import { Tracee } from "../../src/tracee/tracee.ts";
import { childrenOf } from "../support/child.ts";
import { assertNothingLeft, snapshot } from "../support/leftovers.ts";
import { requires, victim } from "../support/programs.ts";
import { Terminal } from "../support/terminal.ts";
import { untilBlocked, untilState } from "../support/victim.ts";

const SIGUSR1 = 10;
const OPTIONS = { timeoutSeconds: 10 };
const requiresShell = requires("bash", "cc");

/** An interactive shell with `command` in its foreground, and the PID of that. */
function startJob(command: string): { shell: Terminal; pid: number } {
  const shell = Terminal.start(["bash", "--norc", "--noprofile", "-i"], { label: "shell" });
  shell.expect("$ ");
  shell.line(command);
  const pid = Number(shell.expect(/ready (\d+)/)[1]);
  assert(childrenOf(shell.pid).includes(pid));
  return { shell, pid };
}

describe("enterGroupStop", () => {
  requiresShell("shows the shell a stopped job while the job is being traced", () => {
    const { shell, pid } = startJob(victim("command"));
    using _shell = shell;
    untilBlocked(pid);
    const before = snapshot(pid);
    {
      using tracee = Tracee.seize(pid, OPTIONS);
      enterGroupStop(tracee);
      // The shell waits with WUNTRACED, takes the terminal back and prompts.
      shell.expect(/\[1\]\+ +Stopped[^]*\$ /);
      assertEquals(readStat(pid)?.state, "t");
      // As it was meant: calls can be injected in this stop, too.
      using remote = RemoteSyscalls.begin(tracee);
      assertEquals(remote.syscallOrThrow("getpid"), BigInt(pid));
      remote.write(Uint8Array.of(1));
      remote.syscallOrThrow("getpid");
    }
    untilState(pid, "T");
    shell.line("fg");
    shell.line("hello");
    shell.expect("line: hello");
    untilBlocked(pid);
    assertNothingLeft(before);
  });

  requiresShell("lets no thread run, whatever signals are pending", () => {
    const { shell, pid } = startJob(`${victim("threads")} busy 3`);
    using _shell = shell;
    const address = BigInt(/counter (0x[0-9a-f]+)/.exec(shell.output)![1]!);
    const counter = () => new BigInt64Array(readMemory(pid, address, 8).buffer)[0]!;
    {
      using tracee = Tracee.seize(pid, OPTIONS);
      const stood = counter();
      enterGroupStop(tracee);
      shell.expect(/\[1\]\+ +Stopped/);
      assertEquals(counter(), stood);
      kill(pid, SIGCONT);
      assertEquals(counter(), stood);
    }
    shell.line("kill -9 %1; wait; echo over");
    shell.expect("over\r\n");
  });

  requiresShell("leaves a pending signal to be delivered afterwards, once", () => {
    const { shell, pid } = startJob(victim("signals"));
    using _shell = shell;
    untilBlocked(pid);
    const before = snapshot(pid);
    {
      using tracee = Tracee.seize(pid, OPTIONS);
      kill(pid, SIGUSR1);
      enterGroupStop(tracee);
      shell.expect(/\[1\]\+ +Stopped[^]*\$ /);
      kill(pid, SIGCONT);
    }
    shell.expect(`signal ${SIGUSR1} `);
    shell.line("fg");
    shell.line("hello");
    shell.expect("line: hello");
    assertEquals(shell.output.split(`signal ${SIGUSR1} `).length, 2);
    untilBlocked(pid);
    assertNothingLeft(before);
  });

  requiresShell("keeps the call that the process was in", () => {
    const { shell, pid } = startJob(`${victim("blocked")} epoll_wait`);
    using _shell = shell;
    untilBlocked(pid);
    {
      using tracee = Tracee.seize(pid, OPTIONS);
      enterGroupStop(tracee);
      shell.expect(/\[1\]\+ +Stopped[^]*\$ /);
    }
    untilState(pid, "T");
    shell.line("fg");
    shell.line("wake");
    shell.expect(/done epoll_wait result=1 errno=0 handled=0/);
  });
});
