/** scripts/install.sh against a web server on the loopback address. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { createHash } from "node:crypto";
import { dirname, join } from "@std/path";
import {
  archiveEntries,
  archiveName,
  type Parts,
  TARGETS,
} from "../../scripts/release/contents.ts";
import { docFiles } from "../../scripts/docs/mod.ts";
import { gzip, tar } from "../../scripts/release/tar.ts";
import { VERSION } from "../../src/cli/version.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { requires, which } from "../support/programs.ts";
import { reptyrPath } from "../support/reptyr.ts";

const SCRIPT = join(dirname(dirname(import.meta.dirname!)), "scripts", "install.sh");
const TARGET = Deno.build.target;
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** The archive of a release whose program is `executable`. */
function archive(executable: Uint8Array): Uint8Array {
  const docs = docFiles({ version: VERSION, date: "2026-01-31" });
  const texts = { license: "L", readme: "R", changelog: "C" };
  const parts: Parts = { version: VERSION, executable, docs, ...texts, time: 0 };
  return gzip(tar(archiveEntries(parts, TARGET), 0), 1);
}

/** Stands for the program, which is large: the script asks for no more than its version. */
const SMALL = archive(new TextEncoder().encode(`#!/bin/sh\necho "reptyr ${VERSION}"\n`));
const NAME = `${archiveName(VERSION, TARGET)}.tar.gz`;

/** All but curl and wget that the script may use. */
const TOOLS = ["sh", "uname", "id", "mktemp", "mkdir", "rm", "rmdir", "mv", "ln", "chmod", "cut"];
TOOLS.push("head", "grep", "sha256sum", "tar", "gzip", "cat", "pwd");

const INSTALLED = [
  "bin/procout",
  "bin/reptyr",
  "share/bash-completion/completions/procout",
  "share/bash-completion/completions/reptyr",
  "share/fish/vendor_completions.d/procout.fish",
  "share/fish/vendor_completions.d/reptyr.fish",
  "share/man/man1/procout.1",
  "share/man/man1/reptyr.1",
  "share/zsh/site-functions/_reptyr",
];

let folder = "";
let prefix = "";

interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the script with `files` on the server; what is missing there is a 404. */
async function install(
  files: Record<string, Uint8Array | string>,
  { tools = ["curl", "wget"], env = {}, shell = ["sh"], fake = {} }: {
    tools?: readonly string[];
    env?: Record<string, string>;
    shell?: readonly string[];
    /** Programs of our own, found first. */
    fake?: Record<string, string>;
  } = {},
): Promise<Answer> {
  const bin = Deno.makeTempDirSync({ dir: folder });
  Deno.chmodSync(bin, 0o755);
  for (const tool of [...TOOLS, ...tools]) {
    if (!(tool in fake)) Deno.symlinkSync(which(tool)!, join(bin, tool));
  }
  for (const [name, text] of Object.entries(fake)) {
    Deno.writeTextFileSync(join(bin, name), text);
    Deno.chmodSync(join(bin, name), 0o755);
  }
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => {
      const body = files[new URL(request.url).pathname.slice("/of/".length)];
      return body === undefined
        ? new Response("<h1>Not here</h1>", { status: 404 })
        : new Response(body as BodyInit);
    },
  );
  const [program, ...before] = shell;
  const { code, stdout, stderr } = await new Deno.Command(which(program!)!, {
    args: [...before, SCRIPT],
    clearEnv: true,
    env: {
      PATH: bin,
      PREFIX: prefix,
      REPTYR_URL: `http://127.0.0.1:${server.addr.port}/of`,
      ...env,
    },
    cwd: folder,
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) =>
    new TextDecoder().decode(bytes).replaceAll(`127.0.0.1:${server.addr.port}`, "HOST");
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** A SHA256SUMS of `bytes` under the usual name, among lines for others. */
const sums = (bytes: Uint8Array) =>
  `${"0".repeat(64)}  reptyr-procout_1_amd64.deb\n${sha256(bytes)}  ${NAME}\n`;

/** Every file and link below `path`, sorted. */
function filesBelow(path: string, name = ""): string[] {
  return [...Deno.readDirSync(join(path, name))].flatMap((entry) => {
    const below = name === "" ? entry.name : `${name}/${entry.name}`;
    return entry.isDirectory ? filesBelow(path, below) : [below];
  }).sort();
}

const refused = (line: string): Answer => ({
  code: 1,
  stdout: "",
  stderr: `install.sh: ${line}\n`,
});

describe("scripts/install.sh", () => {
  beforeEach(() => {
    folder = Deno.makeTempDirSync({ prefix: "reptyr-script-" });
    Deno.chmodSync(folder, 0o755);
    prefix = join(folder, "prefix");
  });
  afterEach(() => {
    Deno.removeSync(folder, { recursive: true });
    assertNoneLeft();
  });

  requires("shellcheck", "dash")("is portable, as far as shellcheck and dash can tell", () => {
    for (const command of [["shellcheck", "--shell=sh", SCRIPT], ["dash", "-n", SCRIPT]]) {
      const { stdout, success } = new Deno.Command(command[0]!, { args: command.slice(1) })
        .outputSync();
      assertEquals({ success, said: new TextDecoder().decode(stdout) }, {
        success: true,
        said: "",
      });
    }
  });

  for (const [tool, shell] of [["curl", "dash"], ["wget", "bash"]] as const) {
    requires(tool, shell)(`installs everything with ${tool} and ${shell}`, async () => {
      const more = shell === "bash" ? ["bash", "--posix"] : [shell];
      const answer = await install({ SHA256SUMS: sums(SMALL), [NAME]: SMALL }, {
        tools: [tool],
        shell: more,
      });
      assertEquals(answer, {
        code: 0,
        stdout: `reptyr ${VERSION} is installed: ${prefix}/bin/reptyr and its link procout\n` +
          `${prefix}/bin is not on PATH. Run: export PATH="${prefix}/bin:$PATH"\n`,
        stderr: "",
      });
      assertEquals(filesBelow(prefix), INSTALLED);
      assertEquals((Deno.statSync(`${prefix}/bin/reptyr`).mode ?? 0) & 0o777, 0o755);
      assertEquals(Deno.readLinkSync(`${prefix}/bin/procout`), "reptyr");
    });
  }

  requires("curl")("installs the real program over an older one", async () => {
    Deno.mkdirSync(join(prefix, "bin"), { recursive: true });
    Deno.writeTextFileSync(join(prefix, "bin", "reptyr"), "older", { mode: 0o700 });
    const real = archive(Deno.readFileSync(reptyrPath));
    const answer = await install({ SHA256SUMS: sums(real), [NAME]: real });
    assertEquals({ code: answer.code, stderr: answer.stderr }, { code: 0, stderr: "" });
    assertEquals(filesBelow(prefix), INSTALLED);
    const { stdout } = new Deno.Command(`${prefix}/bin/procout`, { args: ["--version"] })
      .outputSync();
    assertEquals(new TextDecoder().decode(stdout), `procout ${VERSION}\n`);
  });

  const wrong: [string, Record<string, Uint8Array | string>, RegExp][] = [
    [
      "no SHA256SUMS",
      { [NAME]: SMALL },
      /^install.sh: cannot download http:\/\/HOST\/of\/SHA256SUMS\n$/,
    ],
    [
      "no checksum of this archive",
      { SHA256SUMS: `${sha256(SMALL)}  other.tar.gz\n`, [NAME]: SMALL },
      /^install.sh: http:\/\/HOST\/of\/SHA256SUMS has no archive for \S+\n$/,
    ],
    [
      "an error page instead of checksums",
      { SHA256SUMS: "<html>\n", [NAME]: SMALL },
      /has no archive for \S+\n$/,
    ],
    ["no archive", { SHA256SUMS: sums(SMALL) }, /^install.sh: cannot download \S+\.tar\.gz\n$/],
    [
      "a truncated archive",
      { SHA256SUMS: sums(SMALL), [NAME]: SMALL.slice(0, SMALL.length - 100) },
      /^install.sh: \S+ is damaged or was changed: its SHA-256 is [0-9a-f]{64}, not [0-9a-f]{64}\n$/,
    ],
    [
      "another archive",
      { SHA256SUMS: sums(SMALL), [NAME]: archive(new TextEncoder().encode("#!/bin/sh\n# evil\n")) },
      /is damaged or was changed/,
    ],
    [
      "what is no archive, with its right checksum",
      { SHA256SUMS: sums(new Uint8Array(9)), [NAME]: new Uint8Array(9) },
      /^install.sh: cannot unpack \S+ below \S+\n$/,
    ],
    (() => {
      const broken = archive(new TextEncoder().encode("#!/bin/sh\nexit 127\n"));
      return [
        "a program that does not run here",
        { SHA256SUMS: sums(broken), [NAME]: broken },
        /^install.sh: reptyr does not run here: it needs glibc 2\.27 or later[^\n]*\n$/,
      ];
    })(),
  ];
  for (const [name, files, line] of wrong) {
    for (const tool of ["curl", "wget"]) {
      requires(tool)(`installs nothing from a server with ${name}, by ${tool}`, async () => {
        const { code, stdout, stderr } = await install(files, { tools: [tool] });
        assertEquals({ code, stdout }, { code: 1, stdout: "" });
        assertMatch(stderr, line);
        assertEquals(
          Array.from(Deno.readDirSync(folder), ({ name }) => name).includes("prefix"),
          false,
        );
      });
    }
  }

  it("leaves an older version as it is when the new one is damaged", async () => {
    Deno.mkdirSync(join(prefix, "bin"), { recursive: true });
    Deno.writeTextFileSync(join(prefix, "bin", "reptyr"), "older");
    const { code } = await install({ SHA256SUMS: sums(SMALL), [NAME]: SMALL.slice(1) });
    assertEquals(code, 1);
    assertEquals(filesBelow(prefix), ["bin/reptyr"]);
    assertEquals(Deno.readTextFileSync(join(prefix, "bin", "reptyr")), "older");
  });

  it("needs curl or wget", async () => {
    assertEquals(
      await install({}, { tools: [] }),
      refused("neither curl nor wget is here: install one of them"),
    );
  });

  requires("openssl")(
    "needs a program that computes SHA-256, and accepts openssl",
    async () => {
      const without = TOOLS.indexOf("sha256sum");
      TOOLS.splice(without, 1);
      try {
        assertEquals(
          await install({}),
          refused("none of sha256sum, shasum and openssl is here: install one of them"),
        );
        const files = { SHA256SUMS: sums(SMALL), [NAME]: SMALL };
        assertEquals((await install(files, { tools: ["curl", "openssl"] })).code, 0);
        assertEquals(filesBelow(prefix), INSTALLED);
      } finally {
        TOOLS.push("sha256sum");
      }
    },
  );

  const machines: [string, string, string][] = [
    ["Darwin", "arm64", "reptyr is for Linux, and this is Darwin"],
    ["FreeBSD", "amd64", "reptyr is for Linux, and this is FreeBSD"],
    [
      "Linux",
      "riscv64",
      "there is no reptyr for this processor, riscv64: only for x86_64 and aarch64",
    ],
    ["Linux", "i686", "there is no reptyr for this processor, i686: only for x86_64 and aarch64"],
  ];
  for (const [system, machine, line] of machines) {
    it(`refuses ${system} on ${machine}`, async () => {
      const uname = `#!/bin/sh\ncase $1 in -s) echo ${system} ;; *) echo ${machine} ;; esac\n`
        .replace("#!/bin/sh", `#!${which("sh")}`);
      assertEquals(await install({}, { fake: { uname } }), refused(line));
    });
  }

  for (const { target, machine } of TARGETS) {
    it(`asks for the archive of ${machine}`, async () => {
      const uname = `#!${which("sh")}\ncase $1 in -s) echo Linux ;; *) echo ${machine} ;; esac\n`;
      const { stderr } = await install({ SHA256SUMS: "" }, { fake: { uname } });
      assertStringIncludes(stderr, `SHA256SUMS has no archive for ${target}\n`);
    });
  }

  it("says what is missing when it knows no address, or no folder", async () => {
    assertEquals(
      await install({}, { env: { REPTYR_URL: "" } }),
      refused("say where the archives are: REPTYR_URL=https://..."),
    );
    const id = `#!${which("sh")}\necho 1000\n`;
    assertEquals(
      await install({}, { env: { PREFIX: "" }, fake: { id } }),
      refused("HOME is not set: say where to install, PREFIX=/some/folder"),
    );
  });

  it("installs below ~/.local without root", async () => {
    const id = `#!${which("sh")}\necho 1000\n`;
    const env = { PREFIX: "", HOME: join(folder, "home") };
    const { code } = await install({ SHA256SUMS: sums(SMALL), [NAME]: SMALL }, {
      env,
      fake: { id },
    });
    assertEquals(code, 0);
    assertEquals(filesBelow(join(folder, "home", ".local")), INSTALLED);
  });

  const asNobody = requiresCapability("users");
  asNobody("refuses a folder that the user may not write to", async () => {
    Deno.mkdirSync(prefix);
    const shell = ["setpriv", "--reuid=65534", "--clear-groups", which("sh")!];
    const files = { SHA256SUMS: sums(SMALL), [NAME]: SMALL };
    for (const PREFIX of [prefix, join(prefix, "deeper")]) {
      assertEquals(
        await install(files, { shell, env: { PREFIX } }),
        refused(
          `cannot write to ${PREFIX}: run this as root, or name another folder, PREFIX=$HOME/.local`,
        ),
      );
    }
    assertEquals(filesBelow(prefix), []);
  });
});
