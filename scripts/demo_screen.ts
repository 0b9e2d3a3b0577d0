/** A small full-screen program: shows its window's size, what is typed, and how often ^C was pressed. */
const encoder = new TextEncoder();
let typed = "";
let interrupts = 0;

function draw(): void {
  const { rows, columns } = Deno.consoleSize();
  const size = `window ${rows}x${columns}`;
  const lines = [
    size.padStart((columns + size.length) >> 1),
    "",
    "Type something; ^D ends",
    `> ${typed}`,
    ...(interrupts === 0 ? [] : [`^C pressed ${interrupts} time${interrupts === 1 ? "" : "s"}`]),
  ];
  Deno.stdout.writeSync(encoder.encode(`\x1b[H\x1b[2J${lines.join("\r\n")}`));
}

Deno.stdout.writeSync(encoder.encode("\x1b[?1049h"));
// ^C stays a signal.
Deno.stdin.setRaw(true, { cbreak: true });
Deno.addSignalListener("SIGWINCH", draw);
Deno.addSignalListener("SIGINT", () => {
  interrupts++;
  draw();
});
draw();
reading:
for await (const bytes of Deno.stdin.readable) {
  for (const character of new TextDecoder().decode(bytes)) {
    if (character === "\x04") break reading;
    typed += character;
  }
  draw();
}
Deno.stdin.setRaw(false);
Deno.stdout.writeSync(encoder.encode("\x1b[?1049l"));
Deno.exit(0);
