/**
 * Holds the layers of src/: imports go down only, unsafe calls stand in src/ffi, Deno.exit in src/main.ts, what acts on
 * other processes behind the gate of src/reptyr, and no unit test loads FFI. Reads the text of the files; prints one line for each violation.
 */
import { dirname, join, normalize } from "@std/path";

/** What each layer may import besides itself and COMMON. Nothing here imports upward or sideways. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  "main.ts": ["cli", "reptyr", "procout", "tracee", "tty", "proc", "arch", "ffi"],
  cli: ["reptyr", "procout", "proc"],
  reptyr: ["tracee", "tty", "proc", "arch", "ffi"],
  procout: ["tracee", "tty", "proc", "arch", "ffi"],
  tracee: ["proc", "arch", "ffi"],
  tty: ["ffi"],
  proc: ["ffi"],
  arch: [],
  ffi: [],
  "brands.ts": [],
  "errors.ts": [],
  "log.ts": [],
  "struct.ts": [],
};
/** The rooms of src/reptyr, each with the rooms whose modules it may import. `mod.ts` is the room of `reptyr PID`. */
const REPTYR = "src/reptyr/";
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  gate: [],
  record: ["gate"],
  frontend: ["gate"],
  "move/undo": [],
  "move/descriptors": [],
  "inspect/filter": ["gate", "move/descriptors"],
  inspect: ["gate", "record", "frontend", "inspect/filter"],
  "move/job": ["gate", "record", "inspect", "move/undo", "move/descriptors"],
  "move/session": ["gate", "record", "inspect", "move/undo", "move/descriptors", "move/job"],
  "move/screen": ["gate", "inspect", "move/job"],
  move: [
    ...["gate", "record", "frontend", "inspect"],
    ...["move/undo", "move/descriptors", "move/job", "move/session", "move/screen"],
  ],
  serve: ["gate", "record", "frontend", "inspect", "move", "move/job", "move/session"],
  new_terminal: ["gate", "frontend"],
  steal: [
    ...["gate", "record", "frontend", "inspect", "inspect/filter"],
    ...["move", "move/descriptors", "move/job", "serve"],
  ],
  "mod.ts": ["gate", "record", "frontend", "inspect", "move", "serve"],
};
/** How many modules a file of src may import. The root of a command may import more. */
const MAX_IMPORTS = 15;
/** Files that every layer may import: they know nothing of processes and terminals. */
const COMMON = ["brands.ts", "errors.ts", "log.ts", "struct.ts"];
/** Who stands in front of every signal and ptrace request of src/reptyr, and how these are made. */
const GATE = "src/reptyr/gate/gate.ts";
const GATED = [
  /\bimport\s*\{[^}]*\b(kill|pidfdSendSignal|seize)\b[^}]*\}/g,
  /\bDeno\s*\??\.\s*kill\b/g,
  /\bTracee\s*\??\.\s*(ask|seize)\b/g,
];
/** Files outside src/ that a layer may import: the version number stands in deno.json. */
const OUTSIDE: Record<string, readonly string[]> = { "deno.json": ["cli", "main.ts"] };

export interface SourceFile {
  /** From the project's root, with slashes: `src/tty/pty.ts`. */
  path: string;
  text: string;
}

export interface Import {
  /** Undefined for `import(expression)`. */
  specifier: string | undefined;
  line: number;
  /** `import type` and `export type ... from` load nothing. */
  typeOnly: boolean;
}

/** Every violation in `files`, each as `path:line: why`. */
export function checkLayers(files: readonly SourceFile[]): string[] {
  const inSrc = files.filter((file) => file.path.startsWith("src/"));
  return [...inSrc.flatMap(checkFile), ...checkUnitTests(files)];
}

function checkFile(file: SourceFile): string[] {
  const layer = layerOf(file.path);
  const problems: string[] = [];
  const report = (line: number, why: string) => problems.push(`${file.path}:${line}: ${why}`);
  if (MAY_IMPORT[layer] === undefined) report(1, `src/${layer} is not a layer`);
  if (layer === "reptyr" && ROOMS[roomOf(file.path)] === undefined) {
    report(1, `${roomOf(file.path)} is not a room of ${REPTYR}`);
  }
  const imports = importsOf(file.text);
  for (const { specifier, line } of imports) {
    const why = specifier === undefined
      ? "import() of an expression cannot be checked; name the module"
      : whyNotImport(file.path, specifier);
    if (why !== undefined) report(line, why);
  }
  const modules = new Set(imports.map(({ specifier }) => specifier)).size;
  if (modules > MAX_IMPORTS && !isRoot(file.path)) {
    report(1, `imports ${modules} modules, and at most ${MAX_IMPORTS} are read with ease`);
  }
  const code = maskText(file.text);
  const find = (pattern: RegExp, why: (found: string) => string) => {
    for (const match of code.matchAll(pattern)) report(lineAt(code, match.index), why(match[0]));
  };
  if (layer !== "ffi") {
    find(/\bDeno\s*\??\.\s*(dlopen|Unsafe\w*)/g, (found) => `${found} may stand only in src/ffi`);
  }
  if (file.path !== "src/main.ts") {
    find(/\bDeno\s*\??\.\s*exit\b/g, (found) => `${found} may stand only in src/main.ts`);
  }
  if (layer === "reptyr" && file.path !== GATE) {
    for (const pattern of GATED) {
      find(
        pattern,
        () => `signals and PTRACE_SEIZE pass ${GATE}, and stand nowhere else in src/reptyr`,
      );
    }
  }
  find(
    /\bDeno\b(?!\s*\??\.\s*\w)/g,
    () => "Deno must be followed by .name, so that its use can be checked",
  );
  return problems;
}

/** Why the file at `path` may not import `specifier`; undefined when it may. */
function whyNotImport(path: string, specifier: string): string | undefined {
  if (/^(@std\/|node:)/.test(specifier)) return undefined;
  if (!specifier.startsWith(".")) return `${specifier} is not one of the allowed packages`;
  const layer = layerOf(path);
  const target = resolve(path, specifier);
  if (!target.startsWith("src/")) {
    if (OUTSIDE[target]?.includes(layer)) return undefined;
    return `${layer} may not import ${target}, which is outside src`;
  }
  const other = layerOf(target);
  if (layer === "reptyr" && other === "reptyr") return whyNotRoom(path, target);
  if (other === layer || COMMON.includes(other) || MAY_IMPORT[layer]?.includes(other)) {
    return undefined;
  }
  const allowed = [...(MAY_IMPORT[layer] ?? []), ...COMMON].join(", ");
  return `${layer} may not import ${other} (${target}); it may import ${allowed}`;
}

function whyNotRoom(path: string, target: string): string | undefined {
  const room = roomOf(path);
  const other = roomOf(target);
  const allowed = ROOMS[room] ?? [];
  if (other === room || allowed.includes(other)) return undefined;
  return `the room ${room} may not import ${other} (${target}); it may import ${
    allowed.join(", ") || "no other room"
  }`;
}

/** The folder of a file below src/reptyr, such as `move/job`; a file that stands in no folder is a room by itself. */
function roomOf(path: string): string {
  const inside = path.slice(REPTYR.length);
  return inside.includes("/") ? dirname(inside) : inside;
}

/** Where a command begins. */
function isRoot(path: string): boolean {
  return /^src\/(main\.ts|(.*\/)?mod\.ts)$/.test(path);
}

/** Unit tests run anywhere: no module they load, however far down, may name Deno.dlopen or Deno.Unsafe*. */
function checkUnitTests(files: readonly SourceFile[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const unsafe = new Set(
    files.filter((file) => /\bDeno\s*\??\.\s*(dlopen|Unsafe\w*)/.test(maskText(file.text)))
      .map((file) => file.path),
  );
  const pathToUnsafe = (path: string, seen: Set<string>): string[] | undefined => {
    if (unsafe.has(path)) return [path];
    const file = byPath.get(path);
    if (file === undefined || seen.has(path)) return undefined;
    seen.add(path);
    for (const { specifier, typeOnly } of importsOf(file.text)) {
      if (typeOnly || !specifier?.startsWith(".")) continue;
      const rest = pathToUnsafe(resolve(path, specifier), seen);
      if (rest !== undefined) return [path, ...rest];
    }
    return undefined;
  };
  return files.filter((file) => file.path.startsWith("tests/unit/")).flatMap((file) => {
    const chain = pathToUnsafe(file.path, new Set());
    return chain === undefined
      ? []
      : [`${file.path}:1: a unit test may not load FFI: ${chain.join(" > ")}`];
  });
}

/** `import ... from "x"` and `export ... from "x"`; the first group says that it is only for types. */
const FROM = /\b(?:import|export)\b(\s+type\b(?!\s*(?:,|from\b)))?[\s\w$*{},]*?\bfrom\s*(["'])/g;
/** `import "x"`, `import("x")` and, without a quote, `import(expression)`. */
const DIRECT = /(?<!\.\s*)\bimport(?:\s*["']|\s*\(\s*["']?)/g;

/** All imports and re-exports of a module, static and dynamic. */
export function importsOf(text: string): Import[] {
  const code = maskText(text);
  const specifier = (match: RegExpExecArray) => {
    const start = match.index + match[0].length;
    const quote = code[start - 1]!;
    return /["']/.test(quote) ? text.slice(start, code.indexOf(quote, start)) : undefined;
  };
  const line = (match: RegExpExecArray) => lineAt(code, match.index);
  const found: Import[] = [];
  for (const match of code.matchAll(FROM)) {
    found.push({
      specifier: specifier(match),
      line: line(match),
      typeOnly: match[1] !== undefined,
    });
  }
  for (const match of code.matchAll(DIRECT)) {
    found.push({ specifier: specifier(match), line: line(match), typeOnly: false });
  }
  return found.sort((a, b) => a.line - b.line);
}

/**
 * `text` with the content of comments, strings, templates and regular expressions blanked, so that what is
 * left is code. Offsets and lines stay as they were; quotes stay, and code in `${}` of a template stays.
 */
export function maskText(text: string): string {
  const out = text.split("");
  const blank = (from: number, to: number) => {
    for (let i = from; i < Math.min(to, out.length); i++) if (out[i] !== "\n") out[i] = " ";
  };
  /** For each open brace: whether it is the `${` of a template. */
  const braces: boolean[] = [];
  const skipTemplate = (start: number): number => {
    for (let i = start; i < text.length; i++) {
      if (text[i] === "\\") i++;
      else if (text[i] === "`" || text.startsWith("${", i)) {
        blank(start, i);
        if (text[i] === "`") return i + 1;
        braces.push(true);
        return i + 2;
      }
    }
    return text.length;
  };
  let i = 0;
  while (i < text.length) {
    const char = text[i]!;
    if (text.startsWith("//", i)) {
      const end = indexAfter(text, "\n", i);
      blank(i, end);
      i = end;
    } else if (text.startsWith("/*", i)) {
      const end = indexAfter(text, "*/", i + 2);
      blank(i, end);
      i = end;
    } else if (char === '"' || char === "'") {
      const end = closing(text, i, char);
      blank(i + 1, end);
      i = end + 1;
    } else if (char === "`") {
      i = skipTemplate(i + 1);
    } else if (char === "/" && startsRegExp(out, i)) {
      const end = closing(text, i, "/");
      blank(i + 1, end);
      i = end + 1;
    } else {
      if (char === "{") braces.push(false);
      if (char === "}" && braces.pop()) i = skipTemplate(i + 1);
      else i++;
    }
  }
  return out.join("");
}

/** Index just after the next `end`, or the end of the text. */
function indexAfter(text: string, end: string, from: number): number {
  const index = text.indexOf(end, from);
  return index === -1 ? text.length : index + end.length;
}

/** Index of the `quote` that closes what opens at `start`; brackets of a regular expression may hold a `/`. */
function closing(text: string, start: number, quote: string): number {
  let inClass = false;
  for (let i = start + 1; i < text.length; i++) {
    const char = text[i];
    if (char === "\\") i++;
    else if (quote === "/" && char === "[") inClass = true;
    else if (quote === "/" && char === "]") inClass = false;
    else if ((char === quote && !inClass) || char === "\n") return i;
  }
  return text.length;
}

/** A slash after a value divides; after an operator or a keyword it opens a regular expression. */
function startsRegExp(masked: readonly string[], slash: number): boolean {
  const before = masked.slice(Math.max(0, slash - 200), slash).join("").trimEnd();
  return before === "" || /[(,=:[!&|?{};+\-*%<>~^]$/.test(before) ||
    /\b(return|typeof|case|in|of|do|else|void|delete|throw|yield|await)$/.test(before);
}

function layerOf(path: string): string {
  return path.split("/")[1] ?? "";
}

function resolve(path: string, specifier: string): string {
  return normalize(join(dirname(path), specifier));
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

function readSources(root: string, folder: string): SourceFile[] {
  return [...Deno.readDirSync(join(root, folder))].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    if (isDirectory) return readSources(root, path);
    return name.endsWith(".ts") ? [{ path, text: Deno.readTextFileSync(join(root, path)) }] : [];
  });
}

if (import.meta.main) {
  const root = dirname(import.meta.dirname!);
  const files = ["src", "tests", "scripts"].flatMap((folder) => readSources(root, folder));
  const problems = checkLayers(files);
  for (const problem of problems) console.error(problem);
  const count = files.filter((file) => file.path.startsWith("src/")).length;
  if (problems.length === 0) console.error(`Layers are right in ${count} files`);
  Deno.exit(problems.length === 0 ? 0 : 1);
}
