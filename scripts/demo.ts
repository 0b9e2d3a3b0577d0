/**
 * Shows the main job: a full-screen program moves from one terminal to another, and works on there. Both
 * terminals are made here, so none is needed to run this. Ends with status 1 when anything is not as promised.
 * `deno task demo vim`, and the same with less, top or own, shows that program.
 */
import { bold, cyan, dim, green, red, setColorEnabled } from "@std/fmt/colors";
import { DELIMITER, dirname, join } from "@std/path";
import { childrenOf } from "../tests/support/child.ts";
import type { Screen } from "../tests/support/screen.ts";
import { Terminal, waitUntil } from "../tests/support/terminal.ts";
import { type Action, chooseProgram, type DemoProgram, POEM } from "./demo_programs.ts";
import { frame } from "./demo_frame.ts";

const DIST = join(dirname(import.meta.dirname!), "dist");
const SEARCH_PATH = Deno.env.get("PATH") ?? "/usr/local/bin:/usr/bin:/bin";

/** A terminal with an interactive shell on it, and how it looked when it was last printed. */
class Window implements Disposable {
  readonly terminal: Terminal;
  #printed = "";

  constructor(readonly name: string, rows: number, columns: number) {
    this.terminal = Terminal.start(shellCommand(), {
      rows,
      columns,
      env: { PS1: `${name}$ `, PATH: `${DIST}${DELIMITER}${SEARCH_PATH}` },
      label: `terminal ${name}`,
    });
    this.expectPrompt();
  }

  /** Wait until the screen holds or satisfies `wanted`; `what` says that in an error. */
  expect(what: string, wanted: string | RegExp | ((screen: Screen) => boolean)): void {
    waitUntil(`${what} on terminal ${this.name}`, () => {
      const { screen } = this.terminal;
      if (typeof wanted === "function") return wanted(screen);
      return typeof wanted === "string" ? screen.text.includes(wanted) : wanted.test(screen.text);
    });
  }

  /** Wait for the shell's prompt in front of the cursor. What stands behind it may be left over. */
  expectPrompt(): void {
    this.expect("the shell's prompt", ({ lines, cursor }) => {
      return lines[cursor.row]!.slice(0, cursor.column).trim() === `${this.name}$`;
    });
  }

  /** Print the picture, unless it is the one that was printed last. */
  print(): void {
    const { screen, device } = this.terminal;
    const size = `${screen.rows}x${screen.columns}`;
    const picture = frame(screen.lines, screen.columns, `${this.name}: ${device}, ${size}`);
    if (picture.join("\n") === this.#printed) return;
    this.#printed = picture.join("\n");
    for (const line of picture) console.log(`   ${line}`);
  }

  [Symbol.dispose](): void {
    this.terminal[Symbol.dispose]();
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** bash where it is, else any shell; without the user's own settings. */
function shellCommand(): string[] {
  return isInstalled("bash") ? ["bash", "--norc", "--noprofile", "-i"] : ["sh", "-i"];
}

function isInstalled(name: string): boolean {
  return SEARCH_PATH.split(DELIMITER).some((folder) => {
    try {
      const { isFile, mode } = Deno.statSync(join(folder, name));
      return isFile && ((mode ?? 0) & 0o111) !== 0;
    } catch {
      return false;
    }
  });
}

let step = 0;

function headline(title: string): void {
  step++;
  console.log(`\n${bold(cyan(`${step}. ${title}`))}`);
}

function promise(text: string): void {
  console.log(`   ${green("✓")} ${text}`);
}

/** The session and terminal of a process: proc_pid_stat(5). */
function whereIs(pid: number): { session: number; tty: number } {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { session: Number(fields[3]), tty: Number(fields[4]) };
}

/** One step on `window`: the headline, what is done, and what then shows. */
function act(window: Window, { title, act, expected }: Action): void {
  headline(`${title} (on ${window.name})`);
  act(window.terminal);
  window.expect(`what should come of "${title}"`, expected);
  window.print();
}

function show(program: DemoProgram, folder: string): void {
  using a = new Window("A", 24, 80);
  using b = new Window("B", 18, 70);

  headline(`A shell on terminal A starts ${program.name}`);
  a.terminal.line(`cd '${folder}' && clear && ${program.command}`);
  a.expect(`the picture of ${program.name}`, program.ready);
  const pid = waitUntil("the shell's child", () => childrenOf(a.terminal.pid)[0]);
  a.print();
  promise(`It is process ${pid}, a job of that shell`);

  headline(`On terminal B, which is smaller: reptyr ${pid}`);
  const before = whereIs(pid);
  b.terminal.line(`clear; reptyr ${pid}; echo "reptyr ended with status $?."`);
  b.expect(`the picture of ${program.name}`, ({ text }) => {
    if (/^reptyr ended/m.test(text)) throw new Error(`reptyr did not move it:\n${text}`);
    return typeof program.ready === "string"
      ? text.includes(program.ready)
      : program.ready.test(text);
  });
  b.print();
  const after = whereIs(pid);
  if (after.tty === before.tty || after.session !== pid) {
    throw new Error(`Process ${pid} has not left its terminal and session`);
  }
  promise(`Still process ${pid}, redrawn for B; its controlling terminal is a new one behind B`);

  headline("Terminal A has its shell back, which saw its job stop");
  a.expectPrompt();
  a.print();
  promise("The old picture is left on A; the command clear removes it");
  a.terminal.line("clear; echo the shell of A works");
  a.expect("what the shell echoes", /^the shell of A works$/m);
  a.expectPrompt();
  a.print();

  act(b, program.typing);

  headline("Make the window of B smaller still: 12x50");
  const painted = b.terminal.output.length;
  b.terminal.resize(12, 50);
  b.expect(
    "a picture for the new size",
    (screen) => program.repainted(b.terminal.output.slice(painted), screen),
  );
  b.print();

  act(b, program.interrupt);

  headline("Quit: reptyr ends together with the program, and B has its shell back");
  program.quit(b.terminal);
  b.expect("the end of reptyr, with status 0", /^reptyr ended with status 0\./m);
  b.expectPrompt();
  b.print();

  headline("Both shells end in the ordinary way");
  for (const { terminal } of [a, b]) {
    terminal.line("exit");
    terminal.expectExit();
  }
  if (exists(`/proc/${pid}`)) throw new Error(`Process ${pid} is left behind`);
  promise("No process is left behind");
}

function main(): number {
  setColorEnabled(Deno.stdout.isTerminal() && !Deno.noColor);
  const folder = Deno.makeTempDirSync({ prefix: "reptyr-demo-" });
  try {
    Deno.writeTextFileSync(join(folder, "poem.txt"), POEM);
    if (!exists(join(DIST, "reptyr"))) {
      throw new Error("There is no dist/reptyr: run `deno task build`");
    }
    const program = chooseProgram(isInstalled, Deno.args[0]);
    console.log(dim("Each frame is what a person in front of that terminal sees."));
    show(program, folder);
    console.log(`\n${bold(green("The demo went as promised."))}`);
    return 0;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    console.error(`\n${red(`The demo failed in step ${step}:`)} ${reason}`);
    return 1;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

if (import.meta.main) Deno.exit(main());
