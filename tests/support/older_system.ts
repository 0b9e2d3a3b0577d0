/**
 * The C library of an older system, taken from where this system takes its own packages: of Debian 11 on Debian, of
 * Ubuntu 20.04 on Ubuntu. Both have glibc 2.31.
 */
import { join } from "@std/path";

export const OLDER_GLIBC = "2.31";

const SUITES: Readonly<Record<string, string>> = { debian: "bullseye", ubuntu: "focal" };
/** The mirror may take long to answer, or not be there. */
const LIMIT_MS = 60_000;

/** Unpacks its libraries into `folder`; why that cannot be done, undefined when it is done. */
export function unpackOlderSystem(folder: string): string | undefined {
  const suite = SUITES[/^ID=(\w+)$/m.exec(readOr("/etc/os-release"))?.[1] ?? ""];
  if (suite === undefined) return "this is neither Debian nor Ubuntu";
  const mirror = run(["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"]);
  if (mirror.failed !== undefined) return mirror.failed;
  // The first source of a system is its own.
  const site = mirror.stdout.split("\n").find((line) =>
    /\/(debian|ubuntu|ubuntu-ports)\/?$/.test(line)
  );
  if (site === undefined) return "apt has no source of this system's packages";
  const apt = join(folder, ".apt");
  for (const path of ["lists/partial", "archives/partial"]) {
    Deno.mkdirSync(join(apt, path), { recursive: true });
  }
  Deno.writeTextFileSync(join(apt, "sources.list"), `deb ${site} ${suite} main\n`);
  const options = Object.entries({
    "Dir::Etc::sourcelist": join(apt, "sources.list"),
    "Dir::Etc::sourceparts": "-",
    "Dir::State::lists": join(apt, "lists"),
    "Dir::State::status": "/dev/null",
    "Dir::Cache": apt,
    "Acquire::Languages": "none",
    "APT::Sandbox::User": "root",
  }).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  const updated = run(["apt-get", ...options, "update", "-qq", "--error-on=any"]);
  if (updated.failed !== undefined) return updated.failed;
  const got = run(["apt-get", ...options, "download", "-qq", "libc6", "libgcc-s1"], apt);
  if (got.failed !== undefined) return got.failed;
  const packages = Array.from(Deno.readDirSync(apt), ({ name }) => name)
    .filter((name) => name.endsWith(".deb"));
  for (const name of packages) {
    const { failed } = run(["dpkg-deb", "--extract", join(apt, name), folder]);
    if (failed !== undefined) return failed;
  }
  Deno.removeSync(apt, { recursive: true });
  return packages.length === 2 ? undefined : `got ${packages.length} packages`;
}

function run(command: readonly string[], cwd = "/"): { stdout: string; failed?: string } {
  try {
    const { success, stdout, stderr } = new Deno.Command("timeout", {
      args: [String(LIMIT_MS / 1000), ...command],
      cwd,
      env: { LC_ALL: "C" },
      stdin: "null",
    }).outputSync();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
    const why = text(stderr).split("\n").at(-1);
    return success
      ? { stdout: text(stdout) }
      : { stdout: "", failed: `${command[0]} failed: ${why || "no answer in time"}` };
  } catch (error) {
    return { stdout: "", failed: `cannot run ${command[0]}: ${error}` };
  }
}

function readOr(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
