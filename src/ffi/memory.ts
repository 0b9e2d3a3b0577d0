/** Addresses and C strings: what a buffer needs when a C structure points to it. */
import type { OurAddress } from "../brands.ts";

/** The address of `bytes`. Valid while the caller keeps `bytes` alive: hold it until after the call. */
export function addressOf(bytes: Uint8Array<ArrayBuffer>): OurAddress {
  return BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes))) as OurAddress;
}

/** `text` as a NUL-terminated C string in UTF-8. Throws RangeError on an embedded NUL. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) throw new RangeError("A C string cannot hold a NUL character");
  return new TextEncoder().encode(`${text}\0`);
}
