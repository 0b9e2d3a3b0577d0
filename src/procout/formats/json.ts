/**
 * JSON Lines: one object a line. Pure. `time` is in seconds since 1970. Bytes stand as `text` when they are UTF-8, else
 * as `base64`: put together, they are the bytes that were written, whatever each object has.
 */
import { printableJson } from "../../proc/printable.ts";
import type { WatchEvent } from "../engine.ts";
import { encode, type Format } from "./format.ts";
import { decodeStrictly } from "./utf8.ts";

export class JsonFormat implements Format {
  begin(): undefined {}

  event(event: WatchEvent): Uint8Array<ArrayBuffer> {
    return encode(`${printableJson(objectOf(event))}\n`);
  }

  end(): undefined {}
}

function objectOf(event: WatchEvent): Record<string, unknown> {
  const { kind, pid } = event;
  const time = Math.round(event.time * 1000) / 1e6;
  switch (event.kind) {
    case "output":
    case "input": {
      const { tid, fd, bytes } = event;
      const text = decodeStrictly(bytes);
      const data = text === undefined ? { base64: base64(bytes) } : { text };
      return { time, kind, pid, tid, fd, ...data };
    }
    case "lost":
      return { time, kind, pid, tid: event.tid, fd: event.fd, bytes: event.count, why: event.why };
    case "end":
      return { time, kind, pid, ...endOf(event.status) };
    case "unseen":
      return { time, kind, pid, call: event.call };
    case "resize":
      return { time, kind, pid };
  }
}

/** A wait status in two words; nothing where it is not known. */
function endOf(status: number | undefined): { readonly status?: number; readonly signal?: number } {
  if (status === undefined) return {};
  const signal = status & 0x7f;
  return signal === 0 ? { status: (status >> 8) & 0xff } : { signal };
}

const CHUNK = 0x8000;

function base64(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    binary += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  }
  return btoa(binary);
}
