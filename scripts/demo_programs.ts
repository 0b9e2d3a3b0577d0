/** The full-screen programs that scripts/demo.ts can show, and what a person does with each. */
import type { Screen } from "../tests/support/screen.ts";
import type { Terminal } from "../tests/support/terminal.ts";

/** What a person does, and what must come of it. */
export interface Action {
  /** For the headline of a step. */
  readonly title: string;
  readonly act: (terminal: Terminal) => void;
  readonly expected: string | RegExp | ((screen: Screen) => boolean);
}

export interface DemoProgram {
  readonly name: string;
  /** As it is typed into the shell, in a folder with the file `poem.txt`. */
  readonly command: string;
  /** What the screen shows when it is ready, on any terminal. */
  readonly ready: string | RegExp;
  readonly typing: Action;
  /** Whether it has painted for another window size; `painted` is what it wrote since that changed. */
  readonly repainted: (painted: string, screen: Screen) => boolean;
  readonly interrupt: Action;
  readonly quit: (terminal: Terminal) => void;
}

export const POEM = `The curfew tolls the knell of parting day,
The lowing herd wind slowly o'er the lea,
The plowman homeward plods his weary way,
And leaves the world to darkness and to me.
`;

const lastLine = (screen: Screen): string => screen.lines[screen.rows - 1]!;

const VIM: DemoProgram = {
  name: "vim",
  // No settings, swap or history file: nothing is left behind.
  command: "vim -u NONE -i NONE -N -n --cmd 'set ruler' poem.txt",
  ready: "The plowman homeward plods",
  typing: {
    title: "Type a line into vim",
    act: (terminal) => terminal.type("OTyped on terminal B"),
    expected: /Typed on terminal B[^]*-- INSERT --/,
  },
  repainted: (painted, screen) => painted.includes("Typed on") && /INSERT/.test(lastLine(screen)),
  interrupt: {
    title: "Press ^C: vim leaves insert mode",
    act: (terminal) => terminal.press("^C"),
    expected: (screen) => !/INSERT/.test(lastLine(screen)) && /1,\d+/.test(lastLine(screen)),
  },
  quit: (terminal) => terminal.line(":q!"),
};

const LESS: DemoProgram = {
  name: "less",
  command: "less poem.txt",
  ready: /The plowman homeward plods[^]*(poem\.txt|\(END\))/,
  typing: {
    title: "Type F: less waits for more lines at the end of the file",
    act: (terminal) => terminal.type("F"),
    expected: "Waiting for data",
  },
  repainted: (painted, screen) => painted.includes("curfew") && /Waiting/.test(lastLine(screen)),
  interrupt: {
    title: "Press ^C: less stops waiting and takes commands again",
    act: (terminal) => terminal.press("^C"),
    expected: (screen) => /^(:|\(END\)|poem\.txt.*)/.test(lastLine(screen)),
  },
  quit: (terminal) => terminal.type("q"),
};

const TOP: DemoProgram = {
  name: "top",
  // It paints when it has a reason to, not because a second has passed.
  command: "top -d 60",
  ready: /load average[^]*PID +USER/,
  typing: {
    title: "Type m: top shows memory as a bar",
    act: (terminal) => terminal.type("m"),
    expected: /^.iB Mem : *[\d.]+\/[\d.]+ *\[/m,
  },
  repainted: (painted, screen) => painted.includes("load average") && lastLine(screen) !== "",
  interrupt: {
    title: "Press ^C: top ends",
    act: (terminal) => terminal.press("^C"),
    expected: "reptyr ended",
  },
  quit: () => {},
};

/** For machines without any of the above. */
function ourOwn(): DemoProgram {
  const script = new URL("./demo_screen.ts", import.meta.url).pathname;
  return {
    name: "a small program of this project, in place of vim, less or top",
    command: `'${Deno.execPath()}' run -A '${script}'`,
    ready: /window \d+x\d+[^]*Type something/,
    typing: {
      title: "Type a line",
      act: (terminal) => terminal.type("Typed on terminal B"),
      expected: "> Typed on terminal B",
    },
    repainted: (painted, { rows, columns }) => painted.includes(`window ${rows}x${columns}`),
    interrupt: {
      title: "Press ^C: the program counts it",
      act: (terminal) => terminal.press("^C"),
      expected: "^C pressed 1 time",
    },
    quit: (terminal) => terminal.press("^D"),
  };
}

/** The first of vim, less and top that is installed, else a program of our own. `wanted` is a name. */
export function chooseProgram(installed: (name: string) => boolean, wanted?: string): DemoProgram {
  const known = [VIM, LESS, TOP];
  if (wanted === "own") return ourOwn();
  if (wanted !== undefined) {
    const found = known.find(({ name }) => name === wanted);
    if (found === undefined) throw new RangeError(`No demo with ${wanted}: vim, less, top or own`);
    return found;
  }
  return known.find(({ name }) => installed(name)) ?? ourOwn();
}
