/** What was seen, in numbers. Pure. */
import type { WatchEvent } from "./engine.ts";

export class Stats {
  bytes = 0;
  writes = 0;
  lostBytes = 0;
  /** How often bytes were lost, also where it is not known how many. */
  losses = 0;

  count(event: WatchEvent): void {
    if (event.kind === "output" || event.kind === "input") {
      this.bytes += event.bytes.length;
      this.writes++;
    } else if (event.kind === "lost") {
      this.lostBytes += event.count;
      this.losses++;
    }
  }

  /** One line for --stats. */
  text(engine: string, seconds: number): string {
    const one = (count: number, what: string) => `${count} ${what}${count === 1 ? "" : "s"}`;
    const lost = this.losses > 0 && this.lostBytes === 0 ? "unknown" : `${this.lostBytes}`;
    return `${one(this.bytes, "byte")}, ${one(this.writes, "write")}, lost bytes: ${lost}, ` +
      `engine: ${engine}, ${seconds.toFixed(1)} seconds`;
  }
}
