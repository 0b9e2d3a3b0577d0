/** Select graphic rendition, `CSI ... m`: ECMA-48, 8.3.117, with xterm's colours. Pure. */

/** A bit for each kind of attribute, 0 for none: what is on, without saying in what colour. */
export type Rendition = number;

/** Numbers that switch on, and the number that switches the same off again; ranges inclusive. */
const KINDS: readonly (readonly [on: readonly (readonly [number, number])[], off: number])[] = [
  [[[1, 2]], 22],
  [[[3, 3], [20, 20]], 23],
  [[[4, 4], [21, 21]], 24],
  [[[5, 6]], 25],
  [[[7, 7]], 27],
  [[[8, 8]], 28],
  [[[9, 9]], 29],
  [[[11, 19]], 10],
  [[[30, 38], [90, 97]], 39],
  [[[40, 48], [100, 107]], 49],
  [[[51, 52]], 54],
  [[[53, 53]], 55],
  [[[58, 58]], 59],
];

/** By number: the bits that it clears, and those that it sets. */
const CLEARED = new Int32Array(108);
const SET = new Int32Array(108);
CLEARED[0] = ~0;
KINDS.forEach(([on, off], kind) => {
  CLEARED[off] = 1 << kind;
  for (const [first, last] of on) SET.fill(1 << kind, first, last + 1);
});

/** How many numbers follow 38, 48 and 58: `5;N` or `2;R;G;B`. */
const COLOUR_LENGTHS: ReadonlyMap<number, number> = new Map([[5, 2], [2, 4]]);

const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const SEMICOLON = 0x3b;

/** What is on after a sequence whose parameters are `bytes` from `start` to `end`: digits, `;` and `:`. */
export function rendered(
  before: Rendition,
  bytes: Uint8Array,
  start: number,
  end: number,
): Rendition {
  let after = before;
  let colour = 0;
  let number = 0;
  let inSubparameters = false;
  for (let at = start; at <= end; at++) {
    const byte = at === end ? SEMICOLON : bytes[at] ?? 0;
    if (byte >= DIGIT_0 && byte <= DIGIT_9) {
      if (!inSubparameters) number = 10 * number + byte - DIGIT_0;
      continue;
    }
    if (byte !== SEMICOLON) {
      inSubparameters = true;
      continue;
    }
    if (colour < 0) colour = COLOUR_LENGTHS.get(number) ?? 1;
    if (colour > 0) colour--;
    else {
      after = after & ~(CLEARED[number] ?? 0) | (SET[number] ?? 0);
      if (!inSubparameters && (number === 38 || number === 48 || number === 58)) colour = -1;
    }
    number = 0;
    inSubparameters = false;
  }
  return after;
}
