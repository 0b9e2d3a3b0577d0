/**
 * What a terminal with this output would show: a small model of a VT100 with the xterm additions that
 * programs use. It draws characters only, knows no colours, and never answers a question.
 */

import { rendered } from "../../src/tty/rendition.ts";
import { type Token, tokenize } from "./control_sequences.ts";

/** DEC Special Graphics, which programs switch to for lines: `ESC ( 0`. Characters from 0x60 on. */
const LINE_DRAWING = "◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·";

const TAB_WIDTH = 8;

interface Cursor {
  row: number;
  column: number;
}

type Row = string[];

export class Screen {
  #rows: number;
  #columns: number;
  #cells: Row[];
  #cursor: Cursor = { row: 0, column: 0 };
  /** DECSC: the main and the alternate screen each have a place for it. */
  #saved: [main: Cursor, alternate: Cursor] = [{ row: 0, column: 0 }, { row: 0, column: 0 }];
  /** First and last row of the scrolling region: DECSTBM. */
  #top = 0;
  #bottom: number;
  /** The screen that is not shown, while the alternate one is. */
  #main: Row[] | undefined;
  /** A character was put into the last column; the next one goes to the next line: DECAWM. */
  #wrapPending = false;
  #autoWrap = true;
  #insert = false;
  /** Whether G0 and G1 are line drawing, and which of them is in use: SO, SI. */
  #graphics = [false, false];
  #shift = 0;
  #last = " ";
  #rest = "";
  #title = "";
  /** Private modes that are not as they are at first. */
  #privateModes = new Set<number>();
  #keypad = false;
  #modifiedKeys = false;
  #attributes = 0;
  #cursorStyle = 0;
  #keyboardFlags = 0;

  constructor(rows: number, columns: number) {
    this.#rows = rows;
    this.#columns = columns;
    this.#cells = this.#blankRows(rows);
    this.#bottom = rows - 1;
  }

  /** Rows of text from top to bottom, without the blanks at their ends. */
  get lines(): string[] {
    return this.#cells.map((row) => row.join("").trimEnd());
  }

  /** All rows, without the empty ones at the bottom. */
  get text(): string {
    return this.lines.join("\n").trimEnd();
  }

  /** Where the next character goes; both count from 0. */
  get cursor(): Readonly<Cursor> {
    return { ...this.#cursor };
  }

  get rows(): number {
    return this.#rows;
  }

  get columns(): number {
    return this.#columns;
  }

  /** What the program set as the window's title, OSC 0 or 2. */
  get title(): string {
    return this.#title;
  }

  /** Whether the alternate screen is shown, as full-screen programs have it. */
  get alternate(): boolean {
    return this.#main !== undefined;
  }

  /**
   * What is not as it is on a new terminal, beside the alternate screen: private modes as `?25`, `keypad`, `region`
   * and so on.
   */
  get modes(): ReadonlySet<string> {
    const others: readonly (readonly [string, boolean])[] = [
      ["keypad", this.#keypad],
      [">4", this.#modifiedKeys],
      ["region", this.#top > 0 || this.#bottom < this.#rows - 1],
      ["attributes", this.#attributes !== 0],
      ["insert", this.#insert],
      ["line drawing", this.#graphics[this.#shift] === true],
      ["cursor style", this.#cursorStyle !== 0],
      ["keyboard flags", this.#keyboardFlags !== 0],
    ];
    return new Set([
      ...[...this.#privateModes].map((mode) => `?${mode}`),
      ...others.filter(([, on]) => on).map(([name]) => name),
    ]);
  }

  /** Another size. Rows leave at the top, as far as the cursor's row stays; columns at the right. */
  resize(rows: number, columns: number): void {
    const drop = Math.max(0, this.#cursor.row - rows + 1);
    const fit = (cells: Row[]): Row[] => {
      const kept = cells.slice(drop, drop + rows);
      while (kept.length < rows) kept.push([]);
      return kept.map((row) => Array.from({ length: columns }, (_, column) => row[column] ?? " "));
    };
    this.#cells = fit(this.#cells);
    if (this.#main !== undefined) this.#main = fit(this.#main);
    this.#rows = rows;
    this.#columns = columns;
    this.#top = 0;
    this.#bottom = rows - 1;
    this.#moveTo(this.#cursor.row - drop, this.#cursor.column);
  }

  /** Show `text`, which may end within a sequence; the rest of it comes with the next call. */
  write(text: string): void {
    const { tokens, rest } = tokenize(this.#rest + text);
    this.#rest = rest;
    for (const token of tokens) this.#show(token);
  }

  #show(token: Token): void {
    switch (token.kind) {
      case "character":
        if (token.character < " ") this.#control(token.character);
        else if (token.character !== "\x7f") this.#put(token.character);
        break;
      case "csi":
        this.#csi(token.marker, token.parameters, token.final);
        break;
      case "title":
        this.#title = token.title;
        break;
      case "charset":
        this.#graphics[token.set] = token.graphics;
        break;
      case "escape":
        this.#escape(token.final);
        break;
    }
  }

  #control(character: string): void {
    switch (character) {
      case "\b":
        this.#moveTo(this.#cursor.row, this.#cursor.column - 1);
        break;
      case "\t":
        this.#moveTo(
          this.#cursor.row,
          (Math.floor(this.#cursor.column / TAB_WIDTH) + 1) * TAB_WIDTH,
        );
        break;
      case "\n":
      case "\v":
      case "\f":
        this.#index();
        break;
      case "\r":
        this.#moveTo(this.#cursor.row, 0);
        break;
      case "\x0e":
        this.#shift = 1;
        break;
      case "\x0f":
        this.#shift = 0;
        break;
    }
  }

  #put(character: string): void {
    if (/^\p{Mn}$/u.test(character)) {
      const column = this.#wrapPending ? this.#cursor.column : this.#cursor.column - 1;
      if (column >= 0) this.#row()[column] += character;
      return;
    }
    if (this.#wrapPending && this.#autoWrap) {
      this.#moveTo(this.#cursor.row, 0);
      this.#index();
    }
    const row = this.#row();
    if (this.#insert) {
      row.splice(this.#cursor.column, 0, " ");
      row.length = this.#columns;
    }
    const drawn = this.#graphics[this.#shift] === true && character >= "`" && character <= "~"
      ? LINE_DRAWING[character.charCodeAt(0) - 0x60]!
      : character;
    row[this.#cursor.column] = drawn;
    this.#last = character;
    if (this.#cursor.column === this.#columns - 1) this.#wrapPending = true;
    else this.#cursor.column++;
  }

  #escape(final: string): void {
    switch (final) {
      case "#8":
        this.#fillWithE();
        break;
      case "7":
        this.#saved[this.alternate ? 1 : 0] = { ...this.#cursor };
        break;
      case "8": {
        const { row, column } = this.#saved[this.alternate ? 1 : 0];
        this.#moveTo(row, column);
        break;
      }
      case "=":
      case ">":
        this.#keypad = final === "=";
        break;
      case "D":
        this.#index();
        break;
      case "E":
        this.#moveTo(this.#cursor.row, 0);
        this.#index();
        break;
      case "M":
        if (this.#cursor.row === this.#top) this.#scroll(this.#top, -1);
        else this.#moveTo(this.#cursor.row - 1, this.#cursor.column);
        break;
      case "c":
        this.#reset();
        break;
    }
  }

  #csi(marker: string, parameters: string, final: string): void {
    const numbers = parameters.split(/[;:]/).map(Number);
    const count = Math.max(1, numbers[0] ?? 1);
    const { row, column } = this.#cursor;
    if (marker === "?" && (final === "h" || final === "l")) {
      for (const mode of numbers) this.#privateMode(mode, final === "h");
      return;
    }
    if (marker === "?" && (final === "J" || final === "K")) marker = "";
    if (marker === ">" && final === "m" && numbers[0] === 4) {
      this.#modifiedKeys = (numbers[1] ?? 0) !== 0;
    }
    if (final === "u" && marker !== "") {
      this.#keyboardFlags = marker === "<" ? 0 : numbers[0] ?? 0;
    }
    if (marker !== "") return;
    switch (final) {
      case "m":
        this.#attributes = rendered(
          this.#attributes,
          new TextEncoder().encode(parameters),
          0,
          parameters.length,
        );
        break;
      case " q":
        this.#cursorStyle = numbers[0] ?? 0;
        break;
      case "A":
        // Up and down stop at the region's edge when they start within it.
        this.#moveTo(Math.max(row >= this.#top ? this.#top : 0, row - count), column);
        break;
      case "B":
      case "e":
        this.#moveTo(
          Math.min(row <= this.#bottom ? this.#bottom : this.#rows - 1, row + count),
          column,
        );
        break;
      case "C":
      case "a":
        this.#moveTo(row, column + count);
        break;
      case "D":
        this.#moveTo(row, column - count);
        break;
      case "E":
        this.#moveTo(row + count, 0);
        break;
      case "F":
        this.#moveTo(row - count, 0);
        break;
      case "G":
      case "`":
        this.#moveTo(row, count - 1);
        break;
      case "d":
        this.#moveTo(count - 1, column);
        break;
      case "H":
      case "f":
        this.#moveTo(count - 1, Math.max(1, numbers[1] ?? 1) - 1);
        break;
      case "I":
        this.#moveTo(row, (Math.floor(column / TAB_WIDTH) + count) * TAB_WIDTH);
        break;
      case "Z":
        this.#moveTo(row, (Math.ceil(column / TAB_WIDTH) - count) * TAB_WIDTH);
        break;
      case "J":
        this.#eraseDisplay(numbers[0] ?? 0);
        break;
      case "K":
        this.#eraseLine(numbers[0] ?? 0);
        break;
      case "X":
        this.#row().fill(" ", column, column + count);
        break;
      case "@":
        this.#row().splice(column, 0, ...this.#blanks(Math.min(count, this.#columns)));
        this.#row().length = this.#columns;
        break;
      case "P":
        this.#row().splice(column, count);
        this.#row().push(...this.#blanks(this.#columns - this.#row().length));
        break;
      case "L":
        if (this.#inRegion()) this.#scroll(row, -count);
        break;
      case "M":
        if (this.#inRegion()) this.#scroll(row, count);
        break;
      case "S":
        this.#scroll(this.#top, count);
        break;
      case "T":
        this.#scroll(this.#top, -count);
        break;
      case "b":
        for (let i = 0; i < Math.min(count, this.#rows * this.#columns); i++) this.#put(this.#last);
        break;
      case "h":
      case "l":
        if (numbers.includes(4)) this.#insert = final === "h";
        break;
      case "r":
        this.#setRegion(count, numbers[1] ?? 0);
        break;
      case "s":
        this.#escape("7");
        break;
      case "u":
        this.#escape("8");
        break;
      case "!p":
        this.#insert = false;
        this.#autoWrap = true;
        this.#graphics = [false, false];
        this.#shift = 0;
        this.#top = 0;
        this.#bottom = this.#rows - 1;
        this.#keypad = false;
        this.#attributes = 0;
        for (const mode of [1, 7, 25]) this.#privateModes.delete(mode);
        break;
    }
  }

  #privateMode(mode: number, on: boolean): void {
    if (![47, 1047, 1048, 1049].includes(mode)) {
      if (on === (mode === 7 || mode === 25)) this.#privateModes.delete(mode);
      else this.#privateModes.add(mode);
    }
    switch (mode) {
      case 7:
        this.#autoWrap = on;
        break;
      case 1048:
        this.#escape(on ? "7" : "8");
        break;
      case 47:
      case 1047:
      case 1049:
        if (mode === 1049 && on) this.#escape("7");
        if (on && this.#main === undefined) {
          this.#main = this.#cells;
          this.#cells = this.#blankRows(this.#rows);
        } else if (!on && this.#main !== undefined) {
          this.#cells = this.#main;
          this.#main = undefined;
        }
        if (mode === 1049 && !on) this.#escape("8");
        break;
    }
  }

  #setRegion(top: number, bottom: number): void {
    const last = bottom === 0 ? this.#rows : Math.min(bottom, this.#rows);
    if (top >= last) return;
    this.#top = top - 1;
    this.#bottom = last - 1;
    this.#moveTo(0, 0);
  }

  #eraseLine(mode: number): void {
    const { column } = this.#cursor;
    this.#row().fill(" ", mode === 0 ? column : 0, mode === 1 ? column + 1 : this.#columns);
    this.#wrapPending = false;
  }

  #eraseDisplay(mode: number): void {
    if (mode > 2) return; // 3: the lines that were scrolled away, of which none is kept
    const { row } = this.#cursor;
    if (mode !== 2) this.#eraseLine(mode);
    for (let other = 0; other < this.#rows; other++) {
      const erased = mode === 2 || (mode === 0 ? other > row : other < row);
      if (erased) this.#cells[other]!.fill(" ");
    }
  }

  /** Down one row; the region moves up when the cursor is at its end: IND. */
  #index(): void {
    const { row, column } = this.#cursor;
    if (row === this.#bottom) {
      this.#scroll(this.#top, 1);
      this.#wrapPending = false;
    } else {
      this.#moveTo(row + 1, column);
    }
  }

  /** Move the rows from `from` to the region's end up by `count`, or down where it is negative. */
  #scroll(from: number, count: number): void {
    const height = this.#bottom - from + 1;
    const moved = Math.min(Math.abs(count), height);
    const part = this.#cells.slice(from, this.#bottom + 1);
    const kept = count > 0 ? part.slice(moved) : part.slice(0, height - moved);
    const fresh = this.#blankRows(moved);
    this.#cells.splice(from, height, ...(count > 0 ? [...kept, ...fresh] : [...fresh, ...kept]));
  }

  #inRegion(): boolean {
    return this.#cursor.row >= this.#top && this.#cursor.row <= this.#bottom;
  }

  #moveTo(row: number, column: number): void {
    this.#cursor = {
      row: Math.min(Math.max(row, 0), this.#rows - 1),
      column: Math.min(Math.max(column, 0), this.#columns - 1),
    };
    this.#wrapPending = false;
  }

  #reset(): void {
    this.#cells = this.#blankRows(this.#rows);
    this.#main = undefined;
    this.#top = 0;
    this.#bottom = this.#rows - 1;
    this.#autoWrap = true;
    this.#insert = false;
    this.#graphics = [false, false];
    this.#shift = 0;
    this.#saved = [{ row: 0, column: 0 }, { row: 0, column: 0 }];
    this.#privateModes.clear();
    this.#keypad = this.#modifiedKeys = false;
    this.#attributes = 0;
    this.#cursorStyle = this.#keyboardFlags = 0;
    this.#moveTo(0, 0);
  }

  /** DECALN, a test picture. */
  #fillWithE(): void {
    for (const row of this.#cells) row.fill("E");
    this.#moveTo(0, 0);
  }

  #row(): Row {
    return this.#cells[this.#cursor.row]!;
  }

  #blanks(count: number): string[] {
    return Array<string>(Math.max(0, count)).fill(" ");
  }

  #blankRows(count: number): Row[] {
    return Array.from({ length: count }, () => this.#blanks(this.#columns));
  }
}
