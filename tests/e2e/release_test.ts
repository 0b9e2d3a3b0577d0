/** What `deno task release` makes for this machine, and the Debian package installed and removed. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { afterAll, afterEach, beforeAll, describe, it } from "@std/testing/bdd";
import { dirname, join } from "@std/path";
import { archiveName, debVersion, type Parts, TARGETS } from "../../scripts/release/contents.ts";
import { writeDeb } from "../../scripts/release/deb.ts";
import { docFiles } from "../../scripts/docs/mod.ts";
import { sha256 } from "../../scripts/setup.ts";
import { VERSION } from "../../src/cli/version.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { isRoot } from "../support/input_run.ts";
import { requires, requiresThat } from "../support/programs.ts";
import { reptyrPath } from "../support/reptyr.ts";

const ROOT = dirname(dirname(import.meta.dirname!));
const HOST = TARGETS.find(({ target }) => target === Deno.build.target)!;
const ARCHIVE = `${archiveName(VERSION, HOST.target)}.tar.gz`;
const DEB = `reptyr-procout_${debVersion(VERSION)}_${HOST.debian}.deb`;

let folder = "";

function run(command: readonly string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = new Deno.Command(command[0]!, {
    args: command.slice(1),
    env: { LC_ALL: "C", ...env },
    cwd: ROOT,
    stdin: "null",
  }).outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

const release = (args: readonly string[], env: Record<string, string> = {}) =>
  run([Deno.execPath(), "run", "-A", "scripts/release.ts", ...args], env);

describe("a release", () => {
  let made: ReturnType<typeof run>;

  beforeAll(() => {
    folder = Deno.makeTempDirSync({ prefix: "reptyr-release-" });
    const args = ["--fast", `--target=${HOST.target}`, `--output=${folder}/out`];
    made = release(args, { REPTYR_RELEASE_URL: "https://host.invalid/v1" });
  });
  afterAll(() => Deno.removeSync(folder, { recursive: true }));
  afterEach(assertNoneLeft);

  requires("dpkg-deb", "tar")("has an archive, a package and their sums, and they run here", () => {
    assertEquals(made.code, 0, made.stderr);
    const names = Array.from(Deno.readDirSync(join(folder, "out")), ({ name }) => name).sort();
    assertEquals(names, ["SHA256SUMS", "install.sh", ARCHIVE, DEB].sort());
    assertEquals(run(["sh", "-c", `cd ${folder}/out && sha256sum -c --quiet SHA256SUMS`]), {
      code: 0,
      stdout: "",
      stderr: "",
    });
    assertEquals(made.stdout.match(/: runs here\n/g)?.length, 2);
    const script = Deno.readTextFileSync(join(folder, "out", "install.sh"));
    assertStringIncludes(script, "\nreleased_at='https://host.invalid/v1'\n");
  });

  requires("tar")(
    "has the executable that `deno task build` made: built twice, the same twice",
    () => {
      const top = archiveName(VERSION, HOST.target);
      const { success } = new Deno.Command("tar", {
        args: ["-xzf", join(folder, "out", ARCHIVE), "-C", folder],
      }).outputSync();
      assert(success);
      assertEquals(
        sha256(Deno.readFileSync(join(folder, top, "reptyr"))),
        sha256(Deno.readFileSync(reptyrPath)),
      );
      Deno.removeSync(join(folder, top), { recursive: true });
    },
  );

  it("has notes for its own version only", () => {
    const { code, stdout, stderr } = release(["--notes=v99.0.0"]);
    assertEquals({ code, stdout }, { code: 1, stdout: "" });
    assertStringIncludes(stderr, `Tag v99.0.0 is not that of version ${VERSION}`);
  });

  it("refuses another target and another argument in one line", () => {
    for (
      const [arg, line] of [["--target=sparc", "Cannot release for target sparc\n"], [
        "--foo",
        "Unknown argument: --foo\n",
      ]]
    ) {
      assertEquals(release([arg!]), { code: 1, stdout: "", stderr: line! });
    }
  });

  const small: Parts = {
    version: "1.0.0",
    executable: new TextEncoder().encode("#!/bin/sh\n"),
    docs: docFiles({ version: "1.0.0", date: "2026-01-31" }),
    license: "Copyright (c) 2026 x\n",
    readme: "",
    changelog: "",
    time: 1_700_000_000,
  };

  requires("dpkg-deb")("has a package with the same bytes whenever it is made", () => {
    const [one, other, later] = ["one", "other", "later"].map((name) => {
      const into = join(folder, name);
      Deno.mkdirSync(into);
      const old = Deno.umask(name === "other" ? 0o077 : 0o022);
      const parts = name === "later" ? { ...small, time: small.time + 1 } : small;
      const deb = writeDeb(parts, HOST, into, true);
      Deno.umask(old);
      return sha256(Deno.readFileSync(join(into, deb)));
    });
    assertEquals(one, other);
    assertNotEquals(one, later);
  });

  /** A root folder whose dpkg knows the packages of this machine that ours needs, and `others`. */
  function dpkgRoot(name: string, others = ""): { root: string; dpkg: string[] } {
    const root = join(folder, name);
    for (const path of ["info", "updates", "parts", "triggers"]) {
      Deno.mkdirSync(join(root, "var", "lib", "dpkg", path), { recursive: true });
    }
    const needed = run(["dpkg-query", "-s", "libc6", "libgcc-s1"]).stdout
      .replaceAll(/^(Depends|Recommends|Suggests|Breaks|Conflicts|Replaces):.*\n/gm, "");
    Deno.writeTextFileSync(
      join(root, "var", "lib", "dpkg", "status"),
      `${needed.trim()}\n\n${others}`,
    );
    const log = join(folder, "dpkg.log");
    return { root, dpkg: ["dpkg", `--root=${root}`, `--log=${log}`, "--force-not-root"] };
  }
  const filesIn = (root: string) =>
    run(["find", join(root, "usr"), "-not", "-type", "d"]).stdout.split("\n")
      .filter((line) => line !== "").map((line) => line.slice(root.length + 1)).sort();
  const asRoot = isRoot ? requires("dpkg", "dpkg-query") : requiresThat(false, "dpkg needs root");

  asRoot("has a package that is installed, runs and is removed again", () => {
    const { root, dpkg } = dpkgRoot("root");
    const installed = run([...dpkg, "--install", join(folder, "out", DEB)]);
    assertEquals(installed.code, 0, installed.stderr);
    const files = filesIn(root);
    for (const path of ["usr/bin/procout", "usr/bin/reptyr", "usr/share/man/man1/reptyr.1.gz"]) {
      assert(files.includes(path), path);
    }
    assertEquals(run([join(root, "usr/bin/reptyr"), "--version"]).stdout, `reptyr ${VERSION}\n`);
    assertEquals(run([join(root, "usr/bin/procout"), "--version"]).stdout, `procout ${VERSION}\n`);
    assertEquals(run([...dpkg, "--verify", "reptyr-procout"]), { code: 0, stdout: "", stderr: "" });
    const removed = run([...dpkg, "--purge", "reptyr-procout"]);
    assertEquals(removed.code, 0, removed.stderr);
    assertEquals(run(["find", root, "-path", "*/usr/*"]).stdout, "");
  });

  asRoot("has a package that takes the place of Debian's, and needs the C library", () => {
    const into = join(folder, "small");
    Deno.mkdirSync(into);
    const deb = join(into, writeDeb(small, HOST, into, true));
    const debian = "Package: reptyr\nStatus: install ok installed\nVersion: 0.10.0-1\n" +
      `Architecture: ${HOST.debian}\nMaintainer: x <x@invalid.example>\nDescription: y\n`;
    const { root, dpkg } = dpkgRoot("with", debian);
    Deno.writeTextFileSync(join(root, "var/lib/dpkg/info/reptyr.list"), "/.\n");
    const placed = run([...dpkg, "--auto-deconfigure", "--install", deb]);
    assertEquals(placed.code, 0, placed.stderr);
    const query = [
      "dpkg-query",
      `--admindir=${root}/var/lib/dpkg`,
      "-W",
      "-f=${Package} ${db:Status-Abbrev}\\n",
    ];
    const packages = run(query).stdout;
    assertMatch(packages, /^reptyr-procout ii /m);
    assertEquals(/^reptyr ii /m.test(packages), false, packages);

    const bare = dpkgRoot("bare");
    Deno.writeTextFileSync(join(bare.root, "var/lib/dpkg/status"), "");
    const refused = run([...bare.dpkg, "--install", deb]);
    assertNotEquals(refused.code, 0);
    assertStringIncludes(refused.stderr, "reptyr-procout depends on libc6 (>= 2.27)");
  });
});
