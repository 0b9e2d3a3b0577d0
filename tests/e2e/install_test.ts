import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { join } from "@std/path";
import { VERSION } from "../../src/cli/version.ts";
import { SIGTERM } from "../../src/ffi/constants.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { childrenOf, ProcessHandle } from "../support/child.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { requires } from "../support/programs.ts";
import { reptyrPath } from "../support/reptyr.ts";
import { waitUntil } from "../support/terminal.ts";

const NOBODY = 65534;
const asRoot = requiresCapability("users");

let folder = "";

/** Runs a program to its end, with `env` as its whole environment. */
function run(command: readonly string[], env: Record<string, string> = {}, cwd?: string) {
  const { code, stdout, stderr } = new Deno.Command(command[0]!, {
    args: command.slice(1),
    clearEnv: true,
    env: { PATH: Deno.env.get("PATH") ?? "", ...env },
    ...(cwd === undefined ? {} : { cwd }),
    stdin: "null",
  }).outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

const entries = (path: string) => Array.from(Deno.readDirSync(path), ({ name }) => name).sort();
const notOnPath = (path: string) => `${path} is not on PATH. Run: export PATH="${path}:$PATH"\n`;
const installed = (path: string) =>
  `${path}/reptyr is installed (version ${VERSION}), with the link procout\n${notOnPath(path)}`;
const refused = (message: string, remedy: string) => ({
  code: 1,
  stdout: "",
  stderr: `reptyr: ${message}\n  ${remedy}\n`,
});
const ELSEWHERE = "Name another folder: reptyr --install=DIR";

/** Asserts that `path` holds the whole program, for all to run, the link, and nothing else. */
function assertInstalled(path: string) {
  assertEquals(entries(path), ["procout", "reptyr"]);
  assertEquals(Deno.readLinkSync(join(path, "procout")), "reptyr");
  assertEquals((Deno.lstatSync(join(path, "reptyr")).mode ?? 0) & 0o7777, 0o755);
  assertEquals(run([join(path, "reptyr"), "--version"]).stdout, `reptyr ${VERSION}\n`);
  assertEquals(run([join(path, "procout"), "--version"]).stdout, `procout ${VERSION}\n`);
}

describe("reptyr --install", () => {
  beforeEach(() => {
    folder = Deno.makeTempDirSync({ prefix: "reptyr-install-" });
    // Another user has to get in.
    Deno.chmodSync(folder, 0o755);
  });
  afterEach(() => {
    Deno.removeSync(folder, { recursive: true });
    assertNoneLeft();
  });

  it("installs the executable and the link, whatever the umask, in place of an older one", () => {
    Deno.writeTextFileSync(join(folder, "reptyr"), "older", { mode: 0o600 });
    const command = ["sh", "-c", 'umask 077; exec "$0" --install=.', reptyrPath];
    assertEquals(run(command, {}, folder), { code: 0, stdout: installed(folder), stderr: "" });
    assertInstalled(folder);
  });

  it("leaves itself alone in its own place, and repairs the link", () => {
    run([reptyrPath, `--install=${folder}`]);
    Deno.removeSync(join(folder, "procout"));
    const before = Deno.statSync(join(folder, "reptyr")).ino;
    const { code, stdout } = run([join(folder, "reptyr"), `--install=${folder}`]);
    assertEquals(code, 0);
    assertStringIncludes(stdout, `${folder}/reptyr is there already (version ${VERSION})`);
    assertEquals(Deno.statSync(join(folder, "reptyr")).ino, before);
    assertInstalled(folder);
  });

  it("can be called by its link, and replaces a link that leads elsewhere, not the file it leads to", () => {
    run([reptyrPath, `--install=${folder}`]);
    const other = join(folder, "other");
    Deno.mkdirSync(other);
    Deno.writeTextFileSync(join(folder, "kept"), "kept");
    Deno.symlinkSync("../kept", join(other, "reptyr"));
    Deno.symlinkSync("../kept", join(other, "procout"));
    Deno.symlinkSync("reptyr", join(folder, "called"));
    assertEquals(run([join(folder, "called"), `--install=${other}`]).code, 0);
    assertInstalled(other);
    assertEquals(Deno.readTextFileSync(join(folder, "kept")), "kept");
  });

  it("says nothing of a folder that is on PATH, and names a reptyr that comes before it", () => {
    const first = join(folder, "first");
    const second = join(folder, "second");
    Deno.mkdirSync(first);
    Deno.mkdirSync(second);
    const command = [reptyrPath, `--install=${second}`];
    const PATH = `${first}:${second}:/usr/bin`;
    assertEquals(run(command, { PATH }).stdout.split("\n").length, 2);
    Deno.writeTextFileSync(join(first, "reptyr"), "", { mode: 0o755 });
    assertStringIncludes(
      run(command, { PATH }).stdout,
      `\nAnother one comes first on PATH: ${first}/reptyr\n`,
    );
  });

  it("refuses a folder that is not there", () => {
    const path = join(folder, "is not there");
    assertEquals(
      run([reptyrPath, `--install=${path}`]),
      refused(`Cannot install into ${path}: there is no such folder`, `Run: mkdir -p '${path}'`),
    );
  });

  it("explains why ~ is not expanded after =", () => {
    const { code, stderr } = run([reptyrPath, "--install=~/bin"], {}, folder);
    assertEquals(code, 1);
    assertStringIncludes(stderr, 'Write: --install="$HOME/bin"');
    assertEquals(entries(folder), []);
  });

  it("refuses a file instead of a folder, and a folder instead of the program", () => {
    Deno.writeTextFileSync(join(folder, "file"), "");
    Deno.mkdirSync(join(folder, "procout"));
    assertEquals(
      run([reptyrPath, `--install=${folder}/file`]),
      refused(`Cannot install: ${folder}/file is no folder`, ELSEWHERE),
    );
    assertEquals(
      run([reptyrPath, `--install=${folder}`]),
      refused(`Cannot install: ${folder}/procout is a folder`, ELSEWHERE),
    );
    assertEquals(entries(folder), ["file", "procout"]);
  });

  asRoot("makes ~/.local/bin for a user who has none", () => {
    Deno.chownSync(folder, NOBODY, NOBODY);
    const command = ["setpriv", `--reuid=${NOBODY}`, "--clear-groups", reptyrPath, "--install"];
    const bin = `${folder}/.local/bin`;
    assertEquals(run(command, { HOME: folder }), { code: 0, stdout: installed(bin), stderr: "" });
    assertInstalled(bin);
  });

  asRoot("refuses without HOME, and where the user may not write", () => {
    const asNobody = ["setpriv", `--reuid=${NOBODY}`, "--clear-groups", reptyrPath];
    assertEquals(
      run([...asNobody, "--install"]),
      refused(
        "Cannot tell where to install: HOME is not set",
        "Name a folder: reptyr --install=DIR",
      ),
    );
    assertEquals(
      run([...asNobody, `--install=${folder}`]),
      refused(
        `Cannot install into ${folder}: permission denied`,
        'Run it with sudo, or name a folder of yours: reptyr --install="$HOME/.local/bin"',
      ),
    );
    assertEquals(
      run([...asNobody, "--install"], { HOME: folder }),
      refused(`Cannot install into ${folder}/.local/bin: permission denied`, ELSEWHERE),
    );
    assertEquals(entries(folder), []);
  });

  const mounted: [string, string, string][] = [
    ["a full disk", "size=8m", "no space is left there; nothing was changed"],
    ["a read-only file system", "ro", "the file system is read-only"],
  ];
  for (const [name, options, why] of mounted) {
    requiresCapability("mountns")(`leaves nothing half-written on ${name}`, () => {
      const script = `mount -t tmpfs -o ${options} none "$1"; "$0" --install="$1"; echo $?; ` +
        'ls -A "$1"';
      const command = ["unshare", "-m", "sh", "-c", script, reptyrPath, folder];
      assertEquals(run(command), {
        code: 0,
        stdout: "1\n",
        stderr: `reptyr: Cannot install into ${folder}: ${why}\n  ${ELSEWHERE}\n`,
      });
    });
  }

  requires("strace")("removes its files when it is interrupted", async () => {
    // Held back in fsync(2), with all that it copied written.
    const held = ["strace", "-f", "-qq", "-e", "trace=fsync", "-e", "inject=fsync:delay_enter=2s"];
    const process = new Deno.Command(held[0]!, {
      args: [...held.slice(1), "-o", "/dev/null", reptyrPath, `--install=${folder}`],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const whole = Deno.statSync(reptyrPath).size;
    waitUntil(
      "a written copy",
      () => entries(folder).some((name) => Deno.statSync(join(folder, name)).size === whole),
    );
    using reptyr = new ProcessHandle(childrenOf(process.pid)[0]!);
    reptyr.signal(SIGTERM);
    const { code, stdout, stderr } = await process.output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assertEquals({ code, stdout: text(stdout), stderr: text(stderr) }, {
      code: 1,
      stdout: "",
      stderr: "reptyr: Interrupted: nothing is installed\n",
    });
    assertEquals(entries(folder), []);
  });

  it("needs the executable", () => {
    const source = join(import.meta.dirname!, "..", "..", "src", "main.ts");
    const { code, stderr } = run([Deno.execPath(), "run", "-A", source, "--install=/"], {
      HOME: Deno.env.get("HOME") ?? "/",
    });
    assertEquals(code, 1);
    assertMatch(stderr, /^reptyr: Cannot install: this is no executable/);
  });
});
