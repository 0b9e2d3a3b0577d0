/** What --list and --why print. Pure. */

import { bold, dim, green, red, setColorEnabled, yellow } from "@std/fmt/colors";
import { printableJson } from "../proc/printable.ts";
import type { ProcessReport } from "../reptyr/inspect/process_report.ts";
import { named } from "../reptyr/inspect/refusals.ts";
import { cutToWidth, padToWidth, textWidth } from "./text_width.ts";

export interface Style {
  /** Columns of the terminal; undefined where commands need not be cut. */
  readonly width: number | undefined;
  readonly color: boolean;
}

/** However narrow the terminal, this much of a command is shown. */
/** Digits of the largest PID: PID_MAX_LIMIT in <linux/threads.h> is 2^22. */
const LONGEST_PID = 7;
const SHORTEST_COMMAND = 10;
/** Columns before a reason: those of a pid, with the space after it. */
const INDENT = " ".repeat(9);

const STATES: Readonly<Record<string, string>> = {
  R: "running",
  S: "sleeping",
  D: "in uninterruptible sleep",
  T: "stopped by job control",
  t: "stopped by a tracer",
  Z: "ended, a zombie",
  X: "ended",
  I: "idle",
};

/** One JSON value, with a newline at its end. */
export function jsonText(value: ProcessReport | readonly ProcessReport[]): string {
  return `${printableJson(value, 2)}\n`;
}

/** A table with one line for each process; below one that cannot be moved the reason and the first remedy. */
export function listText(reports: readonly ProcessReport[], style: Style): string {
  setColorEnabled(style.color);
  const rows = reports.map((report) => ({ report, row: cells(report) }));
  const widths = HEADER.map((title, column) =>
    Math.max(
      column === 0 ? LONGEST_PID : 0,
      ...[title, ...rows.map(({ row }) => row[column] ?? "")].map(textWidth),
    )
  );
  const before = widths.reduce((sum, width) => sum + width + 2, 0);
  const command = (text: string) =>
    style.width === undefined
      ? text
      : cutToWidth(text, Math.max(style.width - before, SHORTEST_COMMAND));

  const lines = [bold(`${aligned(HEADER, widths).join("  ")}  COMMAND`)];
  rows.forEach(({ report, row }) => {
    const columns = aligned(row, widths);
    const verdict = report.can ? green : red;
    columns.push(verdict(columns.pop() ?? ""), command(report.command ?? ""));
    lines.push(columns.join("  "));
    if (report.reason === null) return;
    const remedy = report.remedies.slice(0, 1);
    lines.push(...[shortReason(report), ...remedy].map((line) => dim(INDENT + line)));
  });
  return `${lines.join("\n")}\n`;
}

/** Everything about one process. Lines to be copied are never broken. */
export function whyText(report: ProcessReport, style: Style): string {
  setColorEnabled(style.color);
  const lines: string[] = [];
  const line = (name: string, text: string) => lines.push(`${bold(name.padEnd(10))}${text}`);
  if (report.command !== null) {
    line("PID", `${report.pid}`);
    const room = Math.max((style.width ?? Infinity) - 10, SHORTEST_COMMAND);
    line("Command", cutToWidth(report.command, room));
    line("User", report.user ?? "");
    line("Terminal", report.terminal === null ? "none" : terminalText(report));
    const state = report.state ?? "";
    line("State", `${state} (${STATES[state] ?? "unknown"})`);
    line("Job", report.members === 1 ? "1 process" : `${report.members} processes`);
  }
  if (report.can) {
    line("Move", green(`can: run \`reptyr ${report.pid}\` in the terminal where you want it`));
  } else {
    line("Move", red("cannot"));
    lines.push(report.reason ?? "", ...report.remedies.map((remedy) => `  ${remedy}`));
  }
  for (const warning of report.warnings) lines.push(`${yellow("Warning:")} ${warning}`);
  return `${lines.join("\n")}\n`;
}

const HEADER = ["PID", "USER", "TERMINAL", "STATE", "JOB", "MOVE"];
/** Columns of numbers. */
const TO_THE_RIGHT = ["PID", "JOB"];

function cells(report: ProcessReport): string[] {
  return [
    `${report.pid}`,
    cutToWidth(report.user ?? "", 16),
    terminalText(report),
    report.state ?? "",
    `${report.members ?? ""}`,
    report.can ? "can" : "cannot",
  ];
}

function terminalText({ terminal, terminalGone, terminalElsewhere }: ProcessReport): string {
  // One that has gone has no name anywhere.
  const where = terminalGone ? " (gone)" : terminalElsewhere ? " (elsewhere)" : "";
  return `${terminal ?? ""}${where}`;
}

function aligned(row: readonly string[], widths: readonly number[]): string[] {
  return row.map((text, column) => {
    const width = widths[column] ?? 0;
    return TO_THE_RIGHT.includes(HEADER[column] ?? "")
      ? text.padStart(width)
      : padToWidth(text, width);
  });
}

/** The reason without `Cannot move process 4242 (vim): `, which the line above it says. */
function shortReason({ pid, command, reason }: ProcessReport): string {
  const subject = `process ${named({ pid, command: command ?? "" })}: `;
  if (reason === null) return "";
  const at = reason.indexOf(subject);
  return at < 0 ? reason : reason.slice(at + subject.length);
}
