/** What the engine bpf can do and ptrace cannot, what it loses and how it says so, and what it leaves: nothing. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { afterEach, beforeEach, describe } from "@std/testing/bdd";
import { SIGINT, SIGKILL } from "../../src/ffi/constants.ts";
import { close, makeFifo } from "../../src/ffi/descriptor.ts";
import { enterKernel } from "../../src/ffi/kernel_entry.ts";
import { OWN_NUMBERS } from "../../src/ffi/syscall_numbers.ts";
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { childrenOf } from "../support/child.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { AS_NOBODY } from "../support/input_run.ts";
import { checkRecords, expectedWriter } from "../support/mirror_records.ts";
import { Procout, procoutPath } from "../support/procout.ts";
import { requires, requiresThat, victim } from "../support/programs.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";

const MB = 1_000_000;
const BPF_PROG_GET_FD_BY_ID = 13;

/** `it` where `programs` are installed and the engine can be used. */
function bpf(...programs: readonly string[]) {
  return requiresCapability("bpf", requires(...programs));
}

/** A flood into /dev/null that waits for a line. */
function flood(bytes: number, threads: number, children: number, largest: number): Terminal {
  const words = [bytes, threads, children, largest].join(" ");
  const terminal = Terminal.start(["sh", "-c", `exec $VICTIM ${words} >/dev/null`], {
    env: { VICTIM: victim("mirror_flood") },
  });
  terminal.expect("ready ");
  return terminal;
}

/** Ids of the programs that process `pid` has open. */
function programsOf(pid: number): number[] {
  return [...Deno.readDirSync(`/proc/${pid}/fdinfo`)].flatMap(({ name }) => {
    const text = Deno.readTextFileSync(`/proc/${pid}/fdinfo/${name}`);
    const id = /^prog_id:\t(\d+)$/m.exec(text)?.[1];
    return id === undefined ? [] : [Number(id)];
  });
}

function isLoaded(program: number): boolean {
  const attributes = new Uint8Array(Uint32Array.of(program, 0, 0, 0).buffer);
  const fd = enterKernel(OWN_NUMBERS.bpf, [BPF_PROG_GET_FD_BY_ID, attributes, attributes.length]);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

describe("procout with eBPF", () => {
  beforeEach(() => {
    Procout.engine = "bpf";
  });
  afterEach(assertNoneLeft);

  bpf("strace")("mirrors a process that another program traces", () => {
    using terminal = Terminal.start(["strace", "-o", "/dev/null", "cat"]);
    // strace has other children at first, to try out what the kernel can do.
    const pid = waitUntil(
      "strace to trace cat",
      () =>
        childrenOf(terminal.pid).find((child) =>
          readStat(child)?.comm === "cat" && readStatus(child)?.tracerPid === terminal.pid
        ),
    );
    using procout = Procout.watch(pid);
    terminal.line("hello");
    procout.untilStdout("hello\n");
    assertEquals(readStatus(pid)?.tracerPid, terminal.pid);
    procout.signal(SIGINT);
    procout.expectEnd();
  });

  bpf("python3")("mirrors a process that is not dumpable, without tracing it", () => {
    const script =
      "import ctypes, sys\nctypes.CDLL(None).prctl(4, 0)\nprint('ready', flush=True)\n" +
      "for line in sys.stdin: print('got', line, end='', flush=True)";
    using terminal = Terminal.start(["python3", "-c", script]);
    terminal.expect("ready");
    using procout = Procout.watch(terminal.pid);
    assertEquals(readStatus(terminal.pid)?.tracerPid, 0);
    terminal.line("hello");
    procout.untilStdout("got hello\n");
    procout.signal(SIGINT);
    procout.expectEnd();
  });

  bpf("cc")("loses nothing of 200 000 short writes", () => {
    using target = flood(8 * MB, 1, 0, 48);
    using procout = Procout.watch(target.pid, ["--stats"]);
    target.line("go");
    procout.expectEnd(0, 120_000);
    const expected = expectedWriter(0, 8 * MB, 48);
    assert(expected.records > 200_000, `only ${expected.records} writes`);
    assertEquals(checkRecords(procout.bytes()), new Map([[0, expected]]));
    assertStringIncludes(procout.messages, "lost bytes: 0, engine: bpf");
  });

  bpf("cc")("counts lost bytes exactly with --lossy, and reports them", () => {
    using target = flood(30 * MB, 2, 0, 60_000);
    using procout = Procout.watch(target.pid, ["--lossy", "--ring=64K", "--stats"]);
    target.line("go");
    procout.expectEnd(3, 120_000);
    const [one, two] = [0, 1].map((id) => expectedWriter(id, 30 * MB, 60_000).bytes);
    const [, seen, lost] = /(\d+) bytes, .*lost bytes: (\d+)/.exec(procout.messages) ?? [];
    assertEquals(Number(seen), procout.bytes().length);
    assertEquals(Number(seen) + Number(lost), one! + two!);
    assert(Number(lost) > 0);
    assertMatch(
      procout.messages,
      /bytes that process \d+ wrote to descriptor 1 are lost: the ring was full/,
    );
  });

  bpf("dd")("reports lost input as read", () => {
    const words = ["-i", "--fd=9", "--lossy", "--ring=64K", "--output=/dev/null", "--"];
    const copy = ["dd", "if=/dev/zero", "of=/dev/null", "bs=1M", "count=1", "status=none"];
    using procout = Procout.start(["--engine=bpf", ...words, ...copy]);
    procout.expectEnd();
    assertMatch(procout.stderr, /bytes that process \d+ read from descriptor 0 are lost: /);
  });

  bpf("python3")("counts each message of one call with --lossy", () => {
    const script = `
import ctypes, os, socket
class Message(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("name_length", ctypes.c_uint), ("iov", ctypes.c_void_p),
                ("iov_count", ctypes.c_size_t), ("control", ctypes.c_void_p),
                ("control_length", ctypes.c_size_t), ("flags", ctypes.c_size_t), ("length", ctypes.c_uint)]
count, size = 40, 30000
receiver, sender = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
receiver.bind(("127.0.0.1", 0))
sender.connect(receiver.getsockname())
data = ctypes.create_string_buffer(size)
vector = (ctypes.c_size_t * 2)(ctypes.addressof(data), size)
messages = (Message * count)()
for message in messages: message.iov, message.iov_count = ctypes.addressof(vector), 1
os.write(2, b"ready")
input()
os.dup2(sender.fileno(), 1)
sent = ctypes.CDLL(None).sendmmsg(1, messages, count, 0)
os.write(2, b"sent %d\\n" % sum(message.length for message in messages[:sent]))
input()`;
    using terminal = Terminal.start(["python3", "-c", script]);
    terminal.expect("ready");
    using procout = Procout.watch(terminal.pid, ["--lossy", "--ring=64K", "--stats", "--fd=1"]);
    terminal.line("");
    const sent = Number(terminal.expect(/sent (\d+)/)[1]);
    assert(sent > 1_000_000);
    terminal.line("");
    procout.expectEnd(3);
    const lost = Number(/lost bytes: (\d+)/.exec(procout.messages)?.[1]);
    assert(lost > 0);
    assertEquals(procout.bytes().length + lost, sent);
  });

  const processors = navigator.hardwareConcurrency;
  const apart = processors > 1 ? bpf("python3", "taskset") : requiresThat(false, "one processor");
  apart("loses nothing of one call that is larger than the ring", () => {
    const script =
      "import os\ndata = b'0123456789abcdef' * 500000\nos.write(2, b'ready')\ninput()\n" +
      "os.write(1, data)\ndata = None\nos.write(1, b'end')";
    const whole = "0123456789abcdef".repeat(500_000) + "end";
    // Where nobody else has a processor for 0.1 s there is nobody to make room: the loss is to be told then.
    for (let tries = 1;; tries++) {
      const python = ["taskset", "-c", "1", "python3", "-c", script];
      using terminal = Terminal.start(["sh", "-c", 'exec "$@" >/dev/null', "sh", ...python]);
      terminal.expect("ready");
      using procout = Procout.start([], {
        argv: [
          ...["taskset", "-c", "0", procoutPath, "-V", "--stats", "--engine=bpf", "--ring=1M"],
          `${terminal.pid}`,
        ],
      });
      waitUntil("procout to watch", () => procout.stderr.includes("Watching"));
      terminal.line("");
      const { kind, status } = procout.end() as { kind: string; status: number };
      const lost = Number(/lost bytes: (\d+)/.exec(procout.messages)?.[1]);
      assertEquals([kind, status], ["exited", lost > 0 ? 3 : 0], procout.messages);
      assertEquals(procout.bytes().length + lost, whole.length);
      if (lost > 0 && tries < 5) continue;
      assert(procout.stdout === whole, procout.messages);
      assertMatch(procout.stderr, /Held threads back [1-9]\d* times/);
      return;
    }
  });

  bpf("cc", "python3")("holds a writer back unseen by its parent for a slow reader", () => {
    // The parent is told of every stop, and of the end.
    const parent = "import os, sys\npid = os.fork()\n" +
      "if pid == 0: os.dup2(os.open('/dev/null', 1), 1); os.execv(sys.argv[1], sys.argv[1:])\n" +
      "got, status = os.waitpid(pid, os.WUNTRACED)\n" +
      "print('stopped' if os.WIFSTOPPED(status) else 'exited', os.WEXITSTATUS(status), flush=True)";
    const slow =
      "import os, sys, time\nsource, copy = os.open(sys.argv[1], 0), open(sys.argv[2], 'wb')\n" +
      "while data := os.read(source, 300000):\n copy.write(data)\n time.sleep(0.002)";
    const words = [victim("mirror_flood"), 20 * MB, 2, 0, 30_000].map(String);
    using terminal = Terminal.start(["python3", "-c", parent, ...words]);
    const pid = Number(terminal.expect(/ready (\d+)/)[1]);
    const folder = Deno.makeTempDirSync({ prefix: "reptyr-reader-" });
    const [pipe, copy] = [`${folder}/pipe`, `${folder}/copy`];
    try {
      assert(makeFifo(pipe));
      using reader = Terminal.start(["python3", "-c", slow, pipe, copy]);
      using procout = Procout.watch(pid, ["--ring=16M", "-o", pipe, "--stats"]);
      terminal.line("go");
      procout.expectEnd(0, 120_000);
      reader.expectExit();
      terminal.expect("exited 0");
      assertMatch(procout.stderr, /Held threads back [1-9]\d* times/);
      const wanted = new Map([0, 1].map((id) => [id, expectedWriter(id, 20 * MB, 30_000)]));
      assertEquals(new Map([...checkRecords(Deno.readFileSync(copy))].sort()), wanted);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  });

  bpf("python3")("fetches data that is in no page of memory yet, whole and in its place", () => {
    const script = "import mmap, os, sys\nf = open(sys.argv[1], 'rb')\n" +
      "m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)\nprint('ready', file=sys.stderr, flush=True)\n" +
      "input()\nos.write(1, b'before ')\nos.write(1, m)\nos.writev(1, [b' after', b' it'])\ninput()";
    const folder = Deno.makeTempDirSync({ prefix: "reptyr-pages-" });
    try {
      const text = "0123456789".repeat(50_000);
      Deno.writeTextFileSync(`${folder}/source`, text);
      using terminal = Terminal.start([
        "sh",
        "-c",
        'exec python3 -c "$0" "$1" >/dev/null',
        script,
        `${folder}/source`,
      ]);
      terminal.expect("ready");
      using procout = Procout.watch(terminal.pid, ["--stats"]);
      terminal.line("");
      procout.untilStdout(" after it");
      terminal.line("");
      procout.expectEnd();
      assertEquals(procout.stdout, `before ${text} after it`);
      assertStringIncludes(procout.messages, `${text.length + 16} bytes, 3 writes, lost bytes: 0`);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  });

  bpf("python3")("mirrors given descriptors, and input from 0", () => {
    const script = "import os\nos.dup2(1, 5)\nprint('ready', flush=True)\nos.read(0, 100)\n" +
      "os.write(5, b'five\\n')\nos.write(1, b'one\\n')";
    using terminal = Terminal.start(["python3", "-c", script]);
    terminal.expect("ready");
    using procout = Procout.watch(terminal.pid, ["--fd=5,7-9", "-i"]);
    terminal.line("typed");
    procout.expectEnd();
    assertEquals(procout.stdout, "typed\nfive\n");
  });

  requiresCapability("pidns", bpf("unshare"))(
    "numbers processes by its own PID namespace, outside or inside of theirs",
    () => {
      const unshare = ["unshare", "--pid", "--fork", "--mount-proc"];
      {
        using terminal = Terminal.start([
          ...unshare,
          "sh",
          "-c",
          "echo ready; read line; echo seen",
        ]);
        terminal.expect("ready");
        const pid = waitUntil("the shell", () => childrenOf(terminal.pid)[0]);
        using procout = Procout.watch(pid, ["--format=json"]);
        terminal.line("");
        procout.expectEnd();
        const [event] = procout.stdout.trim().split("\n").map((line) => JSON.parse(line));
        assertEquals([event.pid, event.tid], [pid, pid]);
      }
      const inside = [procoutPath, "--engine=bpf", "--format=json", "-f", "--"];
      using terminal = Terminal.start([
        ...unshare,
        ...inside,
        "sh",
        "-c",
        "echo one; (echo two); /bin/echo three",
      ]);
      terminal.expectExit();
      const events = [...terminal.output.matchAll(/^\{.*\}\r?$/gm)].map(([line]) =>
        JSON.parse(line)
      );
      const written = events.filter(({ pid }) => pid > 0 && pid < 100);
      assertEquals(written.length, events.length, "numbers of another namespace");
      for (const word of ["one", "two", "three"]) assertStringIncludes(terminal.output, word);
    },
  );

  bpf("cat")("ends quietly when the reader of the mirror has gone away", () => {
    using terminal = Terminal.start(["cat"]);
    const words = `${procoutPath} -V --engine=bpf ${terminal.pid} | head -1`;
    using shell = Terminal.start(["sh", "-c", words]);
    shell.expect("Watching");
    terminal.line("more");
    shell.expect("more");
    waitUntil("procout to end", () => {
      terminal.line("even more");
      return shell.child.status;
    });
    assertEquals(shell.output.match(/even|procout:/), null);
  });

  for (const [name, signal] of Object.entries({ SIGINT, SIGKILL })) {
    bpf("cat")(`leaves no eBPF program behind when ${name} has ended it`, () => {
      using terminal = Terminal.start(["cat"]);
      using procout = Procout.watch(terminal.pid, ["-f"]);
      const programs = programsOf(procout.child.pid);
      assert(programs.length >= 5, `only ${programs.length} programs`);
      assert(programs.every(isLoaded));
      procout.signal(signal);
      procout.end();
      waitUntil("the programs to go", () => !programs.some(isLoaded));
    });
  }
});

describe("procout without privilege", () => {
  afterEach(assertNoneLeft);
  const it = requiresCapability("users");

  it("falls back to ptrace, and says why", () => {
    using procout = Procout.start([], {
      argv: [...AS_NOBODY, procoutPath, "-V", "--stats", "--", "echo", "hi"],
    });
    procout.expectEnd();
    assertEquals(procout.stdout, "hi\n");
    assertStringIncludes(procout.stderr, "ptrace (no bpf: CAP_BPF and CAP_PERFMON are missing)");
  });

  it("says what --engine=bpf needs, and names the alternative", () => {
    using procout = Procout.start([], {
      argv: [...AS_NOBODY, procoutPath, "--engine=bpf", "--", "echo", "hi"],
    });
    procout.expectEnd(1);
    assertEquals([procout.stdout, procout.stderr], [
      "",
      "procout: Cannot use the engine bpf: CAP_BPF and CAP_PERFMON are missing\n" +
      "  Run it as root: sudo procout --engine=bpf ...\n  Or use --engine=ptrace\n",
    ]);
  });
});
