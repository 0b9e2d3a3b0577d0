/** Progress lines for `--verbose`. They go to stderr: stdout carries only the target's output. */

let enabled = false;

/** Turn progress lines on or off for the whole program. */
export function setVerbose(on: boolean): void {
  enabled = on;
}

/** Write one progress line to stderr when `--verbose` was given. */
export function verbose(line: string): void {
  if (enabled) writeStderr(`[+] ${line}`);
}

let lineEnd = "\n";

/** Whether the user's terminal is in raw mode, in which a newline alone does not return the carriage. */
export function setRaw(on: boolean): void {
  lineEnd = on ? "\r\n" : "\n";
}

let held: string[] | undefined;

/** Lines are kept until the result is disposed of: who takes them may stand still. */
export function holdLines(): Disposable {
  held ??= [];
  return {
    [Symbol.dispose]() {
      const lines = held ?? [];
      held = undefined;
      lines.forEach(writeStderr);
    },
  };
}

/** Write one line to stderr. Where that cannot be there is nobody to tell, and the work goes on. */
export function writeStderr(line: string): void {
  if (held !== undefined) return void held.push(line);
  const bytes = new TextEncoder().encode(`${line}${Deno.stderr.isTerminal() ? lineEnd : "\n"}`);
  try {
    for (let done = 0; done < bytes.length;) done += Deno.stderr.writeSync(bytes.subarray(done));
  } catch {
    // Full, closed, or its reader has gone.
  }
}
