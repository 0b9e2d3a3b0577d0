/**
 * What the programs in the kernel and this program tell each other, byte for byte. The programs' texts and the decoder
 * both take it from here. All of it is little-endian.
 */

/** Call table: an array of these, 8 bytes each, by the number of the call (see `call_map.ts`). */
export const CALL = {
  size: 8,
  /** u8: EFFECT, 0 for a call that does not matter. */
  effect: 0,
  /** u8: 1 for what is read. */
  input: 1,
  /** u8 each: which argument it is; NO_ARGUMENT for none. */
  fd: 2,
  address: 3,
  length: 4,
  flags: 5,
} as const;
export const NO_ARGUMENT = 255;

/** What `effect` of calls.ts is here. */
export const EFFECT = {
  buffer: 1,
  vector: 2,
  message: 3,
  messages: 4,
  copy: 5,
  unseen: 6,
  socketcall: 7,
} as const;

/** Where the numbers of each kind of call begin in the call table. */
export const CALL_BASE = { native: 0, compat: 512, socketcall: 1024, end: 1056 } as const;

/** Map of processes: u32 pid, as we number it, to u32. */
export const PROCESS = { watched: 1, self: 2 } as const;

/** Map of lost bytes: who, then u64 how many so far. */
export const LOSS = { keySize: 16, pid: 0, tid: 4, fd: 8, stream: 12 } as const;

/** What is counted, and read by us where it stands: u64 each. */
export const STATS = {
  size: 64,
  /** Lost bytes so far. */
  lost: 0,
  /** How often a call of our own was seen, and when the last one was, in ns of CLOCK_MONOTONIC. */
  pings: 8,
  pingTime: 16,
  /** Where our reader was, plus 1, when a wait for it was in vain; and when the first one was, in ns. */
  vain: 24,
  vainSince: 56,
  /** Calls whose bytes cannot be counted, as not even that fitted in. */
  untold: 32,
  /** How often a writer waited for room. */
  waits: 40,
  /** Children that could not be noted. */
  unfollowed: 48,
} as const;

/** The outputs that a command was given by us: what the kernel knows them by, u64 each, and the u32 number
 * of the command; 0 where its children count as it does. */
export const GIVEN = { file1: 0, key1: 8, file2: 16, key2: 24, command: 32, size: 40 } as const;

/** A record of the ring. */
export const RECORD = {
  /** u8: KIND */
  kind: 0,
  /** u8: FLAG */
  flags: 1,
  /** u8: 0 to 2 */
  stream: 2,
  /** u8: 1 for what was read */
  input: 3,
  /** u32: bytes that it stands for */
  length: 4,
  /** u32 each, as we number them */
  tid: 8,
  pid: 12,
  /** i32 */
  fd: 16,
  /** u32: index into the call table */
  call: 20,
  /** u64: ns of CLOCK_MONOTONIC when the call returned */
  time: 24,
  /** u64: STATS.lost at that moment */
  lost: 32,
  size: 40,
} as const;

export const KIND = {
  /** Bytes follow. */
  data: 1,
  /** {@linkcode REST} follows: what the program could not read, or has no room for. */
  rest: 2,
  /** What went by this call is not seen. */
  unseen: 3,
  /** The process has ended. */
  end: 4,
  /** It was told that its terminal has another size. */
  resize: 5,
} as const;

/** The first and the last piece of what one call, or one message of it, moved. */
export const FLAG = { first: 1, last: 2 } as const;

/** How far a call has been worked off: u64 each. */
export const REST = {
  /** The segment at hand: where its rest is, and how long. */
  address: 0,
  segmentLeft: 8,
  /** Bytes that are left of this call, or message. */
  left: 16,
  /** The next `struct iovec`, and how many. */
  vector: 24,
  segments: 32,
  /** The next `struct mmsghdr`, and how many. */
  message: 40,
  messages: 48,
  /** Bytes of a pointer of the caller. */
  wordBytes: 56,
  size: 64,
} as const;

/** What one program keeps for the next, and where it reads to: one for each processor. */
export const SCRATCH = {
  /** What SAVED_REGISTERS of src/arch tells. */
  registers: 0,
  /** u64 each. */
  args: 288,
  /** How often this call has waited for room. */
  waits: 336,
  isFirst: 344,
  rest: 352,
  /** A `struct iovec`, the part of a `struct msghdr` that names some, the arguments of socketcall(2). */
  segment: 416,
  record: 448,
  data: 448 + RECORD.size,
  /** The largest value that a map may have for each processor on every kernel: PCPU_MIN_UNIT_SIZE. */
  size: 32768,
} as const;

/** Bytes that go through SCRATCH.data at once. */
export const SMALL_PIECE = SCRATCH.size - SCRATCH.data;
/** Bytes that are read straight into the ring at once, where it is not too small for that. */
export const BIG_PIECE = 65536;

/**
 * A record of the ring of alarms: a thread that writes faster than we read; u32 each. `inside`: whether it waits in the
 * kernel with bytes that there is no room for.
 */
export const ALARM = { size: 16, tid: 0, pid: 4, inside: 8 } as const;

/** Programs that are called by others. */
export const NEXT_PROGRAM = { goOn: 0, wait: 1, count: 2 } as const;
