/** What every format is: events to bytes. Pure. */
import type { WatchEvent } from "../engine.ts";

export interface Format {
  /** What stands before the first event. */
  begin(): Uint8Array<ArrayBuffer> | undefined;
  /**
   * What stands for `event`, nothing where it has no place in this format. It may be the event's own bytes, which
   * are to be used before the next event.
   */
  event(event: WatchEvent): Uint8Array<ArrayBuffer> | undefined;
  /** What stands after the last event. */
  end(): Uint8Array<ArrayBuffer> | undefined;
}

/** An event with bytes that a target wrote or read. */
export type DataEvent = WatchEvent & { readonly kind: "output" | "input" };

const ENCODER = new TextEncoder();

export function encode(text: string): Uint8Array<ArrayBuffer> {
  return ENCODER.encode(text);
}

const RED = "\x1b[31m";
const DEFAULT_COLOR = "\x1b[39m";
const RED_BYTES = encode(RED);
const DEFAULT_COLOR_BYTES = encode(DEFAULT_COLOR);

/** `text` in red, and the colour after it as it is by default. */
export function reddened(text: string): string {
  return `${RED}${text}${DEFAULT_COLOR}`;
}

/** The same of bytes. */
export function reddenedBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(RED_BYTES.length + bytes.length + DEFAULT_COLOR_BYTES.length);
  all.set(RED_BYTES);
  all.set(bytes, RED_BYTES.length);
  all.set(DEFAULT_COLOR_BYTES, RED_BYTES.length + bytes.length);
  return all;
}

/** Local time of day with milliseconds: `14:03:59.042`. */
export function clockText(time: number): string {
  const date = new Date(time);
  const two = (number: number) => String(number).padStart(2, "0");
  const thousandths = String(date.getMilliseconds()).padStart(3, "0");
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  return `${clock}.${thousandths}`;
}
