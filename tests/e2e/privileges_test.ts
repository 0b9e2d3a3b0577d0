/** An executable that has more power than its user, and surroundings that would have it run something else. */
import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { describe, it } from "@std/testing/bdd";
import { lacks, requiresCapability } from "../support/capabilities.ts";
import { AS_NOBODY } from "../support/input_run.ts";
import { requiresThat, which } from "../support/programs.ts";
import { reptyrPath } from "../support/reptyr.ts";

const SETPRIV = AS_NOBODY.slice(1);

/** A folder that everyone may look into. */
class Folder implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "reptyr-privileges-" });

  constructor() {
    Deno.chmodSync(this.path, 0o755);
  }

  copy(file: string, name: string): string {
    const path = join(this.path, name);
    Deno.copyFileSync(file, path);
    Deno.chmodSync(path, 0o755);
    return path;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(argv: readonly string[], options: Deno.CommandOptions = {}): Outcome {
  const { code, stdout, stderr } = new Deno.Command(argv[0]!, {
    args: argv.slice(1),
    stdin: "null",
    ...options,
  }).outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

function asNobody(argv: readonly string[], more: readonly string[] = []): Outcome {
  return run(["setpriv", ...SETPRIV, ...more, ...argv]);
}

/** What makes a file more powerful than its user, with what is said then. */
const POWERS: Record<string, { give: (path: string) => boolean; why: RegExp }> = {
  "set-user-ID": {
    give: (path) => (Deno.chmodSync(path, 0o4755), true),
    why:
      /^reptyr: Cannot run this executable: it is set-user-ID \(real user id 65534, effective 0\), .*\n$/,
  },
  "set-group-ID": {
    give: (path) => (Deno.chmodSync(path, 0o2755), true),
    why:
      /^reptyr: Cannot run this executable: it is set-group-ID \(real group id 65534, effective 0\), .*\n$/,
  },
  "file capabilities": {
    give: (path) => run(["setcap", "cap_sys_ptrace+ep", path]).code === 0,
    why: /^reptyr: Cannot run this executable: its file gives it capabilities \(0x80000\), .*\n$/,
  },
};

/** Whether a file of the temporary folder can have that power: a program that says what it has is given it. */
function works(power: (typeof POWERS)[string]): boolean {
  if (lacks("users") !== undefined || which("setcap") === undefined) return false;
  using folder = new Folder();
  const cat = folder.copy(which("cat")!, "cat");
  const status = (path: string) => asNobody([path, "/proc/self/status"]).stdout;
  const facts = (text: string) => text.match(/^(Uid|Gid|CapPrm):.*$/gm)?.join();
  const before = facts(status(cat));
  return power.give(cat) && facts(status(cat)) !== before;
}

describe("an executable with more power than its user", () => {
  for (const [what, power] of Object.entries(POWERS)) {
    const test = requiresThat(works(power), `no file can be given ${what} here, by root`);
    test(`does nothing with ${what}`, () => {
      using folder = new Folder();
      const path = folder.copy(reptyrPath, "reptyr");
      power.give(path);
      for (const args of [["--version"], ["--help"], ["1"], ["procout", "1"], ["--nonsense"]]) {
        const { code, stdout, stderr } = asNobody([path, ...args]);
        const said = stderr.replace(/^procout: /, "reptyr: ");
        assertMatch(said, power.why);
        assertEquals([code, stdout], [1, ""]);
      }
      // By a name of the user's choice, which /proc shows as it is.
      const forged = join(folder.path, "\rUid:\t0 0 0 0");
      Deno.symlinkSync(path, forged);
      assertMatch(asNobody([forged, "--version"]).stderr, power.why);
      // What root has, root may use.
      if (what === "file capabilities") assertEquals(run([path, "--version"]).code, 0);
    });
  }

  const ambient = ["--inh-caps=+sys_ptrace", "--ambient-caps=+sys_ptrace"];
  requiresCapability("users")(
    "works with capabilities that its user has",
    () => {
      using folder = new Folder();
      const path = folder.copy(reptyrPath, "reptyr");
      const { code, stdout } = asNobody([path, "--version"], ambient);
      assertEquals([code, stdout.startsWith("reptyr ")], [0, true]);
    },
  );
});

/** Settings that have Deno, Node or V8 load or do something else than they were asked to. */
function surroundings(folder: string): Record<string, string> {
  const evil = join(folder, "evil.js");
  return {
    DENO_DIR: folder,
    DENO_V8_FLAGS: "--help",
    DENO_PRELOAD: evil,
    DENO_CONFIG: join(folder, "deno.json"),
    DENO_IMPORT_MAP: join(folder, "deno.json"),
    DENO_COVERAGE_DIR: folder,
    DENO_CERT: evil,
    DENO_TLS_CA_STORE: "nonsense",
    DENO_INSPECT: "127.0.0.1:0",
    DENO_PERMISSION_BROKER_PATH: evil,
    DENO_AUTO_SERVE: "1",
    DENO_SERVE_ADDRESS: "tcp:127.0.0.1:0",
    DENO_SUBCOMMAND: "run",
    DENORT_BIN: evil,
    NODE_OPTIONS: `--require ${evil} --import ${evil}`,
    NODE_PATH: folder,
    NODE_EXTRA_CA_CERTS: evil,
    NODE_V8_COVERAGE: folder,
    NODE_ICU_DATA: folder,
    V8_FLAGS: "--help",
    OTEL_DENO: "true",
    TMPDIR: folder,
    HOME: folder,
    XDG_CONFIG_HOME: folder,
    XDG_CACHE_HOME: folder,
  };
}

describe("the surroundings of an executable", () => {
  const inFolder = (use: (folder: string) => void) => {
    using folder = new Folder();
    const evil = 'console.log("EVIL"); Deno.exit(77);\n';
    const config = JSON.stringify({
      imports: { "@std/cli": "./evil.js", "@std/cli/parse-args": "./evil.js" },
      preload: ["./evil.js"],
      require: ["./evil.js"],
      nodeModulesDir: "auto",
    });
    // Where the files of a compiled program seem to be, as Deno names them.
    const inside = join(folder.path, "deno-compile-reptyr");
    for (const name of ["evil.js", "src/main.ts", "src/cli/run.ts", "src/cli/options.ts"]) {
      for (const place of [folder.path, inside]) write(join(place, name), evil);
    }
    for (const name of ["deno.json", "deno.jsonc"]) write(join(folder.path, name), config);
    write(join(folder.path, "package.json"), '{"type": "module", "main": "./evil.js"}');
    write(join(folder.path, ".npmrc"), "node-options=--require ./evil.js");
    write(join(folder.path, ".env"), "NODE_OPTIONS=--require ./evil.js");
    write(join(folder.path, "libc.so.6"), "no library");
    const before = entries(folder.path);
    use(folder.path);
    assertEquals(entries(folder.path), before, "It has written something");
  };

  for (const args of [["--version"], ["--help"], ["--why", "1", "--json"]]) {
    it(`do not change the programs that it runs: ${args[0]}`, () => {
      const plain = run([reptyrPath, ...args]);
      inFolder((folder) => {
        assertEquals(run([reptyrPath, ...args], { cwd: folder }), plain);
        const each = args[0] === "--version" ? Object.entries(surroundings(folder)) : [];
        for (const [name, value] of each) {
          const outcome = run([reptyrPath, ...args], { cwd: folder, env: { [name]: value } });
          assertEquals(outcome, plain, `${name}=${value}`);
        }
        assertEquals(run([reptyrPath, ...args], { cwd: folder, env: surroundings(folder) }), plain);
      });
    });
  }
});

function write(path: string, text: string): void {
  Deno.mkdirSync(join(path, ".."), { recursive: true });
  Deno.writeTextFileSync(path, text);
}

/** The paths of all that is below a folder. */
function entries(folder: string): string[] {
  return Array.from(Deno.readDirSync(folder)).flatMap(({ name, isDirectory }) => {
    const path = join(folder, name);
    return isDirectory ? entries(path) : [path];
  }).sort();
}
