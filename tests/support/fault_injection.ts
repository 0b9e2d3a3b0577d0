/**
 * Calls of a move that fail, or that it is killed at: those of reptyr itself by strace(1), those that it has made in a
 * target's name by fault_in_target.ts.
 */
import { dirname, join } from "@std/path";
import { reptyrPath } from "./reptyr.ts";

export interface Fault {
  /** Whose calls: reptyr's own, or those that are injected into the processes of the job. */
  readonly side: "own" | "injected";
  /** A system call by its name. Of the injected ones `*` means all, and several names have `|` between them. */
  readonly call: string;
  /** An errno by its name; or `SIGKILL` or `SIGSTOP` for reptyr itself, when it is about to make the call or right after. */
  readonly error: string;
  /** Which of the calls, counted from 1. `last` is Infinity for all from `first` on. */
  readonly first: number;
  readonly last: number;
}

/**
 * How often in a row a call has to fail that is made again past the C library (src/ffi/raw.ts), and one that is insisted
 * upon besides (src/tracee/retry_syscall.ts).
 */
export const FOR_GOOD = 2;
export const DESPITE_INSISTING = 6;

export function describeFault({ side, call, error, first, last }: Fault): string {
  const when = last === Infinity ? `${first}+` : first === last ? first : `${first}..${last}`;
  return `${side} ${call} ${error} ${when}`;
}

export interface Injection {
  /** The words that run reptyr, without its arguments. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** What runs reptyr so that the fault happens. The calls that it struck are written to the file `log`. */
export function injecting(fault: Fault, log: string): Injection {
  const { side, call, error, first, last } = fault;
  const when = last === Infinity ? `${first}+` : first === last ? `${first}` : `${first}..${last}`;
  if (side === "own") {
    const signals = error.startsWith("SIG");
    const what = signals ? `signal=${error}` : `error=${error}`;
    // With a filter strace sends no signal.
    const options = ["-f", "-qq", ...signals ? [] : ["--seccomp-bpf"], "-o", log];
    const inject = [
      "-e",
      `trace=${call}`,
      "-e",
      error === "SIGSTOP" ? "signal=STOP" : "signal=none",
      "-e",
      `inject=${call}:${what}:when=${when}`,
    ];
    return { argv: ["strace", ...options, ...inject, reptyrPath], env: {} };
  }
  const folder = import.meta.dirname!;
  const main = join(dirname(dirname(folder)), "src", "main.ts");
  const env = {
    REPTYR_FAULT: [call, error, first, last, log].join(" "),
    DENO_DIR: Deno.env.get("DENO_DIR") ?? join(Deno.env.get("HOME") ?? "/root", ".cache/deno"),
  };
  const preload = `--preload=${join(folder, "fault_in_target.ts")}`;
  return { argv: [Deno.execPath(), "run", "-A", "-q", "--no-check", preload, main], env };
}

/** The calls that the fault of {@linkcode injecting} struck, as they stand in its log. */
export function struckCalls(log: string): string[] {
  try {
    return Deno.readTextFileSync(log).split("\n").filter((line) => line.includes("(INJECTED)"));
  } catch {
    return [];
  }
}
