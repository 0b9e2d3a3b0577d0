/** Whether what was made is what it says: unpacked into an empty folder, and run there where this machine can. */
import { join } from "@std/path";
import { archiveName, type Target } from "./contents.ts";

/** Unpacks `file`, an archive of a release, and tries what is in it; a line that says what was tried. Throws Error. */
export function checkArchive(file: string, version: string, target: Target): string {
  const folder = Deno.makeTempDirSync({ prefix: "reptyr-release-" });
  try {
    must("tar", ["-xzf", file, "-C", folder]);
    const top = join(folder, archiveName(version, target.target));
    const names = Array.from(Deno.readDirSync(folder), ({ name }) => name);
    equal(names.join(), archiveName(version, target.target), "the folder in the archive");
    return checkProgram(join(top, "reptyr"), join(top, "procout"), version, target);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** The same for a package, unpacked and not installed. */
export function checkDeb(file: string, version: string, target: Target): string {
  const folder = Deno.makeTempDirSync({ prefix: "reptyr-release-" });
  try {
    must("dpkg-deb", ["--extract", file, folder]);
    const bin = join(folder, "usr", "bin");
    equal(must("dpkg-deb", ["--field", file, "Architecture"]).trim(), target.debian, file);
    return checkProgram(join(bin, "reptyr"), join(bin, "procout"), version, target);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function checkProgram(
  executable: string,
  link: string,
  version: string,
  { target, machine, elfMachine }: Target,
): string {
  equal(Deno.readLinkSync(link), "reptyr", link);
  equal(elfMachineOf(executable), elfMachine, `the machine of ${executable}`);
  if (Deno.build.target === target) {
    for (const [path, name] of [[executable, "reptyr"], [link, "procout"]] as const) {
      equal(must(path, ["--version"]), `${name} ${version}\n`, `${name} --version`);
    }
    return "runs here";
  }
  const emulator = `/usr/bin/qemu-${machine}-static`;
  const libraries = `/usr/${machine}-linux-gnu`;
  const missing = [emulator, join(libraries, "lib", "libc.so.6")].filter((path) => !exists(path));
  if (missing.length > 0) return `is for ${machine}; not run: there is no ${missing.join(", no ")}`;
  // An emulated start takes seconds, so there is but one. qemu hands on argv[0] with -0 only.
  const args = ["-L", libraries, "-0", link, link, "--version"];
  equal(must(emulator, args), `procout ${version}\n`, "procout --version");
  return "runs in qemu";
}

/** e_machine of an ELF file of 64 bits in little-endian order: elf(5). */
export function elfMachineOf(path: string): number {
  const head = new Uint8Array(20);
  using file = Deno.openSync(path);
  const isElf = file.readSync(head) === 20 &&
    String.fromCharCode(...head.subarray(1, 4)) === "ELF" &&
    head[0] === 0x7f && head[4] === 2 && head[5] === 1;
  if (!isElf) throw new Error(`${path} is no 64-bit ELF file`);
  return new DataView(head.buffer).getUint16(18, true);
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

function must(program: string, args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(program, { args, stdin: "null" })
    .outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (!success) throw new Error(`${program} ${args.join(" ")} failed: ${text(stderr).trim()}`);
  return text(stdout);
}

function equal(got: unknown, wanted: unknown, what: string): void {
  if (got !== wanted) {
    throw new Error(`${what} is ${JSON.stringify(got)}, not ${JSON.stringify(wanted)}`);
  }
}
