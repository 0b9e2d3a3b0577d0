/** A dump as of hexdump(1) -C, with a heading for each write. Pure. */
import type { WatchEvent } from "../engine.ts";
import { clockText, encode, type Format, reddened } from "./format.ts";

const ROW = 16;

export class HexFormat implements Format {
  constructor(readonly red: boolean) {}

  begin(): undefined {}

  event(event: WatchEvent): Uint8Array<ArrayBuffer> | undefined {
    if (event.kind === "lost") {
      const heading = `${clockText(event.time)} ${event.pid} ${event.fd}`;
      return encode(`${heading} lost ${event.count} bytes: ${event.why}\n`);
    }
    if (event.kind !== "output" && event.kind !== "input") return undefined;
    const { time, pid, fd, bytes, kind } = event;
    const did = kind === "input" ? "read" : "wrote";
    const lines = [`${clockText(time)} ${pid} ${fd} ${did} ${bytes.length} bytes`];
    for (let at = 0; at < bytes.length; at += ROW) {
      lines.push(rowText(at, bytes.subarray(at, at + ROW)));
    }
    const red = this.red && event.stream === 2;
    return encode(`${(red ? lines.map(reddened) : lines).join("\n")}\n`);
  }

  end(): undefined {}
}

function rowText(offset: number, bytes: Uint8Array): string {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"));
  const halves = [hex.slice(0, ROW / 2).join(" "), hex.slice(ROW / 2).join(" ")];
  const width = 3 * ROW / 2 - 1;
  const columns = halves.map((half) => half.padEnd(width)).join("  ");
  const text = String.fromCharCode(...bytes).replace(/[^ -~]/g, ".");
  return `${offset.toString(16).padStart(8, "0")}  ${columns}  |${text}|`;
}
