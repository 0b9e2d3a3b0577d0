/**
 * What the man pages say beyond --help. Text in `backquotes` becomes bold; a section is a list of paragraphs.
 */
import type { CommandName } from "../../src/cli/command_name.ts";

export interface Example {
  readonly command: string;
  readonly what: string;
}

export interface Prose {
  /** After the dash of the NAME section: no capital, no full stop. */
  readonly summary: string;
  /** Paragraphs that follow the description of --help. */
  readonly description: readonly string[];
  readonly examples: readonly Example[];
  readonly environment: readonly { readonly name: string; readonly what: string }[];
  readonly notes: readonly string[];
  /** `name(section)`, the pages of others. */
  readonly seeAlso: readonly string[];
}

export const PROSE: Readonly<Record<CommandName, Prose>> = {
  reptyr: {
    summary: "move a running process to this terminal",
    description: [
      "From then on the program is on this terminal: its keys, signals and window size come from here, and when it " +
      "ends `reptyr` ends with its exit status. The shell it was started from sees a stopped job. Closing that " +
      "shell or its terminal does not end the program.",
      "All threads are stopped for a moment and go on where they were: a call that a thread was in is not cut " +
      "short. Open files, sockets and pipes are not touched.",
      "A program that does not stop is waited for until `--timeout`. After a second `reptyr` says which thread it waits " +
      "for; `^C`, SIGQUIT, SIGTERM and SIGHUP give up, `^Z` stops `reptyr` until `fg`, and the program is as it was " +
      "then.",
    ],
    examples: [
      { command: "reptyr --list", what: "Find the process." },
      { command: "reptyr 4242", what: "Move it to this terminal." },
      { command: "reptyr --why 4242", what: "Ask beforehand what would hinder that." },
    ],
    environment: [
      { name: "NO_COLOR", what: "When it is set and not empty, nothing is written in colour." },
      { name: "HOME", what: "`--install` without DIR installs below it." },
      { name: "PATH", what: "`--install` says when the folder is not on it." },
    ],
    notes: [
      "The kernel decides who may move what: a user's own processes, unless the Yama module forbids it " +
      "(`/proc/sys/kernel/yama/ptrace_scope`), and any process for root. What is refused is refused with the " +
      "reason and with what to do about it.",
      "While the old shell lives, the program ignores SIGHUP, because that shell may send one when it is closed. " +
      "What the program did about SIGHUP before comes back when the shell ends, or when the new terminal is closed.",
      "When the standard output is a file on a full disk, the job goes on: `reptyr` says so once, drops what it cannot " +
      "write, tries again as more comes, and says at the end how many bytes were dropped. With `--hangup` the job is " +
      "hung up, and the exit status is 1. A pipe whose reader has gone always hangs the job up, with the exit status " +
      "of a program that SIGPIPE ends, 141: no reader comes back to it.",
      "The program raises its own soft limits as far as the hard ones allow, and refuses, before anything is touched, " +
      "where they leave too little room; what it starts has the limits that it was started with. Its runtime needs room " +
      "before that, and ends with a report of its own, 133 or 134, where it has none: below 48 GB of RLIMIT_AS " +
      "(`ulimit -v`), 600 MB of RLIMIT_DATA (`ulimit -d`), 160 kB of RLIMIT_STACK (`ulimit -s`), 12 of RLIMIT_NOFILE " +
      "(`ulimit -n`), or where RLIMIT_NPROC (`ulimit -u`) leaves no room for three threads. Nothing is touched then.",
    ],
    seeAlso: ["ptrace(2)", "pidfd_getfd(2)", "pty(7)", "nohup(1)", "screen(1)", "tmux(1)"],
  },
  procout: {
    summary: "mirror what running processes write",
    description: [
      "The processes go on as before: their signals reach them, job control works, no call is cut short, and when " +
      "`procout` ends, by whatever, they are what they were.",
      "With the engine bpf nothing is attached to them: an eBPF program in the kernel copies what they write, which " +
      "takes about a microsecond a write. It needs root, or CAP_BPF and CAP_PERFMON, and Linux 5.10 or newer with " +
      "BTF. With the engine ptrace every system call of theirs takes longer, as under strace(1). Without `--engine` " +
      "it is bpf where that can be used; `--verbose` says which it is, and why.",
      "Bytes are taken when a call has returned, as many as it says: writes that fail or go in part are right, and " +
      "every thread is watched. What comes out of a pipe by splice(2) or tee(2), and what is written by io_uring, " +
      "cannot be seen, nor with the engine bpf what is written by sendfile(2) or copy_file_range(2); it is named once.",
      "With the engine bpf a thread that writes faster than it is read is held back by stops of a few milliseconds, of " +
      "which neither it nor its parent is told. With `--lossy` it is not, and what does not fit into the ring is " +
      "lost. Bytes can also be lost where another program traces the thread, or where one call writes more than the " +
      "ring holds while no processor is free. They are counted and shown, and the exit status is 3.",
    ],
    examples: [
      { command: "procout 4242", what: "See what process 4242 writes, until it ends or ^C." },
      {
        command: "procout -f --format=line 4242",
        what: "With its children, and who wrote what when.",
      },
      {
        command: "procout --format=cast -o demo.cast -- ./demo.sh",
        what: "Record a command for asciinema.",
      },
    ],
    environment: [
      { name: "NO_COLOR", what: "When it is set and not empty, nothing is written in colour." },
    ],
    notes: [
      "A process can have one tracer only: one that is under a debugger or strace(1) cannot be watched with the " +
      "engine ptrace.",
      "A mirror that cannot be written, as on a full disk, ends `procout`, with the exit status 1, and leaves the " +
      "processes alone. With COMMAND it says so at once, and ends when the command does.",
      "The program raises its own soft limits as far as the hard ones allow, and refuses, before anything is touched, " +
      "where they leave too little room; what it starts has the limits that it was started with. Its runtime needs room " +
      "before that, and ends with a report of its own, 133 or 134, where it has none: below 48 GB of RLIMIT_AS " +
      "(`ulimit -v`), 600 MB of RLIMIT_DATA (`ulimit -d`), 160 kB of RLIMIT_STACK (`ulimit -s`), 12 of RLIMIT_NOFILE " +
      "(`ulimit -n`), or where RLIMIT_NPROC (`ulimit -u`) leaves no room for three threads. Nothing is touched then.",
      "A shell's own `echo >&2` is a write to descriptor 1, which the shell has redirected for that moment.",
    ],
    seeAlso: ["bpf(2)", "ptrace(2)", "reptyr(1)", "strace(1)", "asciinema(1)"],
  },
};
