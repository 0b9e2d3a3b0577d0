/** Programs that tests need: those of the system, and the victims, which are compiled here. */
import { dirname, join } from "@std/path";
import { it } from "@std/testing/bdd";

const VICTIMS = join(dirname(import.meta.dirname!), "victims");

/**
 * Vim asks its terminal nothing then: the terminals of tests answer nothing. On a slow machine vim 9.0 waits for an answer
 * without end, before it draws anything: 23 of some 900 starts on an emulated one, always after its last question; without questions 0 of 440.
 */
export const VIM_ASKS_NOTHING: readonly string[] = [
  "--cmd",
  "set t_RV= t_u7= t_RF= t_RB= t_RC= t_RS=",
];

/** For vim without a person's settings and files. */
export const VIM_OPTIONS: readonly string[] = [
  ...["-u", "NONE", "-i", "NONE", "-n", "-N"],
  ...VIM_ASKS_NOTHING,
];

/** Where a program of the system is; `undefined` when it is not installed. */
export function which(program: string): string | undefined {
  return (Deno.env.get("PATH") ?? "").split(":").map((folder) => join(folder, program))
    .find((path) => {
      try {
        const { isFile, mode } = Deno.statSync(path);
        return isFile && ((mode ?? 0) & 0o111) !== 0;
      } catch {
        return false;
      }
    });
}

/**
 * `it` where all `programs` are installed; else one that skips its test and says why. Under CI, which
 * installs them all, a missing one is an error.
 */
export function requires(...programs: readonly string[]): typeof it | typeof it.skip {
  const absent = programs.filter((program) =>
    which(program) === undefined && !(program === "cc" && hasCompiler)
  );
  return absent.length === 0 ? it : missing(...absent);
}

function missing(...programs: readonly string[]): typeof it.skip {
  return announcing(whyMissing(...programs));
}

/**
 * Says that `programs` are not installed. Throws Error under CI, which installs them all; CI=true says nothing of what
 * the machine can do, though.
 */
export function whyMissing(...programs: readonly string[]): string {
  const why = `not installed: ${programs.join(", ")}`;
  if (Deno.env.get("CI") !== undefined) throw new Error(`CI must not skip this: ${why}`);
  return why;
}

/**
 * `it` where `condition`, something of this machine that cannot be installed, holds; else one that
 * skips its test and says why.
 */
export function requiresThat(condition: boolean, why: string): typeof it | typeof it.skip {
  return condition ? it : announcing(why);
}

function announcing(why: string): typeof it.skip {
  return ((name: string, body: () => void) => {
    console.log(`Skipped: ${name}: ${why}`);
    it.skip(name, body);
  }) as typeof it.skip;
}

/**
 * The victims as executables, for a machine that has no compiler: a folder in which each has the name of its
 * source. Those with flags of their own, libraries apart, are not among them.
 */
const READY_VICTIMS = Deno.env.get("REPTYR_VICTIMS");

/** The C compiler, `undefined` without one. */
const compiler = which("cc") ?? which("gcc");

/** For what a test module compiles before its tests. */
export const hasCompiler = compiler !== undefined || READY_VICTIMS !== undefined;

/** `it` where C programs can be compiled. */
export const requiresCompiler: typeof it | typeof it.skip = hasCompiler ? it : requires("cc");

/** {@linkcode requiresThat} for tests that need the C compiler, too. */
export function requiresCompilerAnd(
  condition: boolean,
  why: string,
): typeof it | typeof it.skip {
  return hasCompiler ? requiresThat(condition, why) : requiresCompiler;
}

export const isX86_64 = Deno.build.arch === "x86_64";

/** The victim that looks at every register of this processor. */
export const REGISTERS_VICTIM = isX86_64 ? "registers" : "registers_aarch64";

/**
 * For victims of i386. Debian has <asm/...> where gcc -m32 does not look, and libc6-dev-i386 comes
 * without the 32-bit libgcc, which these programs do not need.
 */
export const FLAGS_32: readonly string[] = [
  ...["-m32", "-I/usr/include/x86_64-linux-gnu", "-no-pie", "-nostdlib"],
  ...["/usr/lib32/crt1.o", "/usr/lib32/crti.o", "-lc", "/usr/lib32/crtn.o"],
];

let builds32: typeof it | typeof it.skip | undefined;

/** `it` where 32-bit programs can be compiled; whether they run is asked of capabilities.ts. */
export function compiles32(): typeof it | typeof it.skip {
  return builds32 ??= tryToCompile32();
}

function tryToCompile32(): typeof it | typeof it.skip {
  if (compiler === undefined) return missing("cc");
  const made = Deno.makeTempDirSync({ prefix: "reptyr-victims-" });
  try {
    const source = join(made, "nothing.c");
    Deno.writeTextFileSync(source, "int main(void) { return 0; }\n");
    const { success } = new Deno.Command(compiler, {
      args: [source, ...FLAGS_32, "-o", join(made, "nothing")],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).outputSync();
    return success ? it : missing("libc6-dev-i386");
  } finally {
    Deno.removeSync(made, { recursive: true });
  }
}

let folder: string | undefined;
const compiled = new Map<string, string>();

/**
 * Path of the executable of `tests/victims/NAME.c`, compiled at first use with `flags`. It is deleted
 * at the end of the test module.
 */
export function victim(name: string, flags: readonly string[] = []): string {
  if (READY_VICTIMS !== undefined && flags.every((flag) => flag.startsWith("-l"))) {
    return join(READY_VICTIMS, name);
  }
  const key = [name, ...flags].join(" ");
  const path = compiled.get(key) ?? compile(name, flags, compiled.size);
  compiled.set(key, path);
  return path;
}

function compile(name: string, flags: readonly string[], number: number): string {
  if (compiler === undefined) throw new Error("No C compiler: guard with requiresCompiler");
  if (folder === undefined) {
    const made = folder = Deno.makeTempDirSync({ prefix: "reptyr-victims-" });
    globalThis.addEventListener("unload", () => Deno.removeSync(made, { recursive: true }));
  }
  const output = join(folder, `${name}.${number}`);
  const warnings = ["-Wall", "-Wextra", "-Werror"];
  const source = join(VICTIMS, `${name}.c`);
  const { success, stderr } = new Deno.Command(compiler, {
    // The source stands first: a library satisfies only what was asked for before it.
    args: ["-O1", ...warnings, "-pthread", source, ...flags, "-o", output],
    env: { LC_ALL: "C" },
  }).outputSync();
  if (!success) throw new Error(`Cannot compile ${source}: ${new TextDecoder().decode(stderr)}`);
  return output;
}

/** Path of a victim that is a script. */
export function victimScript(file: string): string {
  return join(VICTIMS, file);
}
