/** What --list and --why say. */
import { assert, assertEquals } from "@std/assert";
import type { ProcessReport } from "../../src/reptyr/inspect/process_report.ts";
import { reptyrPath } from "./reptyr.ts";

/** What the executable answers with nothing of it on a terminal. */
export function answer(args: readonly (string | number)[], prefix: readonly string[] = []) {
  const [program, ...words] = [...prefix, reptyrPath, ...args.map(String)];
  const { code, stdout, stderr } = new Deno.Command(program!, { args: words, stdin: "null" })
    .outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assertEquals(text(stderr), "");
  return { code, stdout: text(stdout) };
}

export function listed(prefix?: readonly string[]): ProcessReport[] {
  const { code, stdout } = answer(["--list", "--json"], prefix);
  assertEquals(code, 0);
  return JSON.parse(stdout);
}

/** What --list says about one process; and --why, which must say the same. */
export function reportOn(pid: number, prefix?: readonly string[]): ProcessReport {
  const [report, second] = listed(prefix).filter((one) => one.pid === pid);
  assert(report !== undefined, `Process ${pid} is not listed`);
  assertEquals(second, undefined, `Process ${pid} is listed twice`);
  assertEquals(why(pid, prefix), report);
  return report;
}

export function why(pid: number, prefix?: readonly string[]): ProcessReport {
  const { code, stdout } = answer(["--why", pid, "--json"], prefix);
  const report: ProcessReport = JSON.parse(stdout);
  assertEquals(code, report.can ? 0 : 1);
  return report;
}
