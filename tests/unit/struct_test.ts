import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { layout, Struct } from "../../src/struct.ts";

const mixed = layout("struct mixed", 32, {
  byte: [0, "u8"],
  short: [2, "u16"],
  signed: [4, "i16"],
  int: [8, "i32"],
  unsigned: [12, "u32"],
  long: [16, "i64"],
  address: [24, "u64"],
});

describe("Struct", () => {
  it("puts every type at its offset, little-endian", () => {
    const struct = new Struct(mixed).set("byte", 0xfe).set("short", 0xfedc).set("signed", -2)
      .set("int", -3).set("unsigned", 0xfedcba98).set("long", -4n)
      .set("address", 0xfedcba9876543210n);
    const bytes = [
      ...[0xfe, 0, 0xdc, 0xfe, 0xfe, 0xff, 0, 0],
      ...[0xfd, 0xff, 0xff, 0xff, 0x98, 0xba, 0xdc, 0xfe],
      ...[0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
      ...[0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe],
    ];
    assertEquals([...struct.bytes], bytes);
    const again = new Struct(mixed, Uint8Array.from(bytes));
    assertEquals(
      [again.get("byte"), again.get("short"), again.get("signed"), again.get("int")],
      [0xfe, 0xfedc, -2, -3],
    );
    assertEquals(
      [again.get("unsigned"), again.get("long"), again.get("address")],
      [0xfedcba98, -4n, 0xfedcba9876543210n],
    );
  });

  it("is a view of the bytes that it was given, not a copy", () => {
    const bytes = new Uint8Array(100);
    new Struct(mixed, bytes, 50).set("byte", 7);
    assertEquals(bytes.indexOf(7), 50);
    bytes[50] = 9;
    assertEquals(new Struct(mixed, bytes, 50).get("byte"), 9);
  });

  it("refuses bytes that do not hold the structure", () => {
    assertThrows(() => new Struct(mixed, new Uint8Array(31)), RangeError, "struct mixed needs 32");
    assertThrows(() => new Struct(mixed, new Uint8Array(40), 9), RangeError);
  });
});
