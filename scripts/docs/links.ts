/**
 * Finds links of the documents, and mentions of files in documents and comments, that lead nowhere. Pure: over texts
 * that are given.
 */
import { dirname, join, normalize } from "@std/path";

/** A document or a source file, by its path from the project's root, with slashes. */
export interface LinkSource {
  readonly path: string;
  readonly text: string;
}

/** `[text](target)`, whose text may begin a line before, and `[text]: target`. */
const LINK = /\]\(([^()\s]+)\)|^\[[^\]]+\]: (\S+)$/g;
/** A document with or without an anchor, or a file of the tree; not one of another project's, as in `linux/src/a.c`. */
const MENTION =
  /(?<![\w./-])(?:docs\/[\w-]+\.md(?:#[\w-]+)?|(?:src|tests|scripts)\/[\w./-]+\.(?:ts|c|py|sh))\b/g;
/** `tests/e2e/NAME_test.ts` stands for any file. */
const PLACEHOLDER = /(^|[/_.])[A-Z]{2,}([/_.]|$)/;

/**
 * Every dead link in `files`, each as `path:line: target: why`. `exists` knows the files and folders of the tree. Of
 * source files, only comments count: texts in tests name files that never were.
 */
export function deadLinks(
  files: readonly LinkSource[],
  exists: (path: string) => boolean,
): string[] {
  const anchors = new Map(
    files.filter(({ path }) => isDocument(path)).map(({ path, text }) => [path, anchorsOf(text)]),
  );
  const whyDead = (path: string, anchor: string | undefined): string | undefined => {
    if (!exists(path)) return "no such file";
    if (anchor === undefined || anchor === "") return undefined;
    const known = anchors.get(path);
    if (known === undefined) return "an anchor in a file that is no document";
    return known.has(anchor) ? undefined : "no heading gives this anchor";
  };
  return files.flatMap(({ path, text }) => {
    const found: string[] = [];
    const check = (line: number, mention: string, target: string, anchor: string | undefined) => {
      const why = whyDead(target, anchor);
      if (why !== undefined) found.push(`${path}:${line}: ${mention}: ${why}`);
    };
    for (const { line, prose, link } of readableLines(path, text)) {
      for (const [, inline, reference] of link.matchAll(LINK)) {
        const target = (inline ?? reference)!;
        if (/^[a-z]+:/.test(target)) continue;
        const [file, anchor] = target.split("#", 2);
        const base = file === "" ? path : normalize(join(dirname(path), file!));
        check(line, target, base, anchor);
      }
      for (const [mention] of prose.matchAll(MENTION)) {
        const [file, anchor] = mention.split("#", 2);
        if (!PLACEHOLDER.test(file!)) check(line, mention, file!, anchor);
      }
    }
    return found;
  });
}

interface ReadableLine {
  readonly line: number;
  /** In which files are mentioned. */
  readonly prose: string;
  /** In which links stand: empty where square brackets mean something else. */
  readonly link: string;
}

function readableLines(path: string, text: string): ReadableLine[] {
  const lines = text.split("\n");
  if (!isDocument(path)) {
    return lines.map((line, index) => ({ line: index + 1, prose: commentOf(line), link: "" }));
  }
  let isCode = false;
  return lines.map((line, index) => {
    const isFence = /^\s*```/.test(line);
    if (isFence) isCode = !isCode;
    // What is in a link is checked as a link: it is relative to its document.
    const prose = line.replaceAll(LINK, " ");
    return {
      line: index + 1,
      prose,
      link: isCode || isFence ? "" : line.replaceAll(/`[^`]*`/g, " "),
    };
  });
}

/** The comment in a line, as far as one line shows it. */
function commentOf(line: string): string {
  return /^\s*(?:\/\*|\*|\/\/)/.test(line) ? line : /\s(\/\/ .*)$/.exec(line)?.[1] ?? "";
}

/** The anchors that GitHub gives to the headings of a document. */
export function anchorsOf(text: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  let isCode = false;
  for (const line of text.split("\n")) {
    if (/^\s*```/.test(line)) isCode = !isCode;
    const heading = isCode ? undefined : /^#{1,6}\s+(.*?)\s*#*$/.exec(line)?.[1];
    if (heading === undefined) continue;
    const anchor = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "").replaceAll(/\s/g, "-");
    let unique = anchor;
    for (let number = 1; anchors.has(unique); number++) unique = `${anchor}-${number}`;
    anchors.add(unique);
  }
  return anchors;
}

function isDocument(path: string): boolean {
  return path.endsWith(".md");
}
