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

/** Write one line to stderr. `\r\n`: the terminal may be in raw mode, where `\n` alone does not return. */
export function writeStderr(line: string): void {
  const bytes = new TextEncoder().encode(`${line}${Deno.stderr.isTerminal() ? "\r\n" : "\n"}`);
  for (let done = 0; done < bytes.length;) done += Deno.stderr.writeSync(bytes.subarray(done));
}
