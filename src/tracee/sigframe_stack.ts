/**
 * What becomes of a thread that has registers of ours when this program is killed: the kernel lets it go on with them.
 * So a stack of signal frames stands behind every injected call. If no tracer stops the thread after the call, it
 * returns from there into rt_sigreturn(2), which restores all of its registers and its signal mask. Before the
 * last frame there may be others, each of which makes one more call, to undo what has been done so far.
 *
 * The frames lie at the far end of the main thread's stack, which is the last place that a program uses; the
 * bytes there are put back. When there is no room left, further ones lie above those and the scratch: as high as the
 * stack is free.
 *
 * What it cannot give back: a timed call begins its time anew, and a handler that ran meanwhile does not end
 * the call that the thread is in.
 */
import type { Architecture, Registers, SignalFrames } from "../arch/mod.ts";
import { type Mapping, readExecutableMaps } from "../proc/maps.ts";
import { hasShadowStack } from "../proc/status.ts";
import type { CallFilter } from "./call_filter.ts";
import { ALL_SIGNALS } from "./ptrace.ts";
import { readMemory, writeMemory } from "./remote_memory.ts";
import { canPointTo, type ReturnSites } from "./return_sites.ts";
import type { TraceSession } from "./trace_session.ts";
import type { Tracee } from "./tracee.ts";

/** Where signal frames can be laid in a process. */
export interface SigframePlace {
  readonly session: TraceSession;
  readonly tid: number;
  readonly arch: Architecture;
  readonly sites: ReturnSites;
  /** The first byte of the main thread's stack as it is mapped, and the end of it. */
  readonly stack: { readonly start: bigint; readonly end: bigint };
  /** Frames of a scope that needed more room: those of an inner scope begin at `start`, and end at `limit`. */
  grown: Grown | undefined;
}

interface Grown {
  readonly start: bigint;
  readonly limit: bigint;
}

/** `undefined` where no frames can be laid. */
export function findSigframePlace(
  { session, pid, mainTid: tid, arch, callFilter: filter }: Tracee,
): SigframePlace | undefined {
  if (arch.signalFrames === undefined || hasShadowStack(pid, tid)) return undefined;
  if (hasGuardedReturns(session, tid, arch.signalFrames)) return undefined;
  const maps = readExecutableMaps(pid, tid) ?? [];
  if (!canPointTo(arch, maps)) return undefined;
  const stack = maps.find(({ path, writable }: Mapping) => path === "[stack]" && writable);
  const sites = session.returnSites.find(pid, tid, arch, maps);
  if (sites === undefined || stack === undefined) return undefined;
  return mayReturn(filter, arch, sites, [])
    ? { session, tid, arch, sites, stack, grown: undefined }
    : undefined;
}

/** Whether `filter` allows rt_sigreturn(2) behind a call that had `args`, which are in their registers still. */
export function mayReturn(
  filter: CallFilter | undefined,
  { syscallNumbers }: Architecture,
  { afterSigreturn }: ReturnSites,
  args: readonly bigint[],
): boolean {
  const call = { number: syscallNumbers.rt_sigreturn, args, instructionPointer: afterSigreturn };
  return filter === undefined || filter.verdict(call) === "allowed";
}

/** The same where registers tell it: PR_SHADOW_STACK_ENABLE of prctl(2). */
function hasGuardedReturns(
  session: TraceSession,
  tid: number,
  { shadowStackSet }: SignalFrames,
): boolean {
  if (shadowStackSet === undefined) return false;
  return ((session.furtherRegisters.get(tid, shadowStackSet)?.[0] ?? 0) & 1) !== 0;
}

/** The most that the first frames may take: what stood there is read each time, and hardly ever do they need more. */
const LARGEST = 1 << 15;
/** The same of further ones. */
const LARGEST_FURTHER = 1n << 17n;
/** Left free beneath the part of the stack that is in use, by frames that do not lie at its far end. */
const GAP = 8192n;
/** For the arguments of injected calls. */
export const SCRATCH_SIZE = 4096;
const ALIGNMENT = 16n;

export class SigframeStack {
  readonly #tid: number;
  readonly #frames: SignalFrames;
  readonly #sites: ReturnSites;
  /** SCRATCH_SIZE bytes above the frames that injected calls may use; `undefined` when they would lack that room. */
  readonly scratch: bigint | undefined;
  /** Where frames lie, and what stood there. Only the last one has room. */
  readonly #areas: Area[] = [];
  /** How high they may lie; `undefined` where it is not known how much of the stack is in use. */
  readonly #limit: bigint | undefined;
  readonly #place: SigframePlace;
  readonly #grownBefore: Grown | undefined;
  /** Addresses of the frames, the last one to be used first. */
  readonly #stack: bigint[] = [];
  /** How many of them are left when nothing is to be undone. */
  #always = 1;

  private constructor(
    place: SigframePlace,
    frames: SignalFrames,
    bottom: bigint,
    size: number,
    scratchSize: number,
    limit: bigint | undefined,
  ) {
    this.#place = place;
    this.#grownBefore = place.grown;
    this.#tid = place.tid;
    this.#frames = frames;
    this.#sites = place.sites;
    this.#limit = limit;
    this.scratch = scratchSize === 0 ? undefined : bottom + BigInt(size);
    this.#addArea(bottom, size, scratchSize);
  }

  #addArea(bottom: bigint, size: number, scratchSize = 0): void {
    const before = readMemory(this.#tid, bottom, size + scratchSize);
    this.#areas.push({ bottom, lowest: bottom + BigInt(size), before });
  }

  get #area(): Area {
    return this.#areas.at(-1)!; // not undefined: the constructor adds the first
  }

  /**
   * Lay the frame that restores `original` and `mask`. The thread itself is not changed yet. `undefined` when
   * the stack is in use down to its end.
   */
  static lay(
    place: SigframePlace,
    original: Registers,
    mask: bigint,
    abort: bigint | undefined,
  ): SigframeStack | undefined {
    const { session, tid, arch, stack } = place;
    const frames = arch.signalFrames!; // not undefined: findSigframePlace() finds none without it
    const images = frames.extendedStateSets.map((name) => session.furtherRegisters.get(tid, name));
    const state = frames.extendedState(images);
    if (state === undefined) return undefined;
    const pointer = frames.stackPointer(original);
    const onIt = pointer > stack.start && pointer <= stack.end;
    const used = onIt ? pointer - frames.redZone : undefined;
    const { start, limit } = place.grown ?? { start: stack.start, limit: used && used - GAP };
    const room = (place.grown?.limit ?? used ?? stack.end) - start;
    const size = room < LARGEST ? Number(room & ~0xfffn) : LARGEST;
    if (size < 2 * state.length + MARGIN) return undefined; // a frame may contain the state
    const scratchSize = room < LARGEST + SCRATCH_SIZE ? 0 : SCRATCH_SIZE;
    const laid = new SigframeStack(place, frames, start, size, scratchSize, limit);
    const stateAt = alignDown(
      laid.#area.lowest - BigInt(state.length),
      frames.extendedStateAlignment,
    );
    writeMemory(tid, stateAt, state);
    const restarted = frames.resumed(arch.withRestart(original, session.blockedCalls.get(tid)));
    const resumed = abort === undefined
      ? restarted
      : frames.withInstructionPointer(restarted, abort);
    const extendedState = { address: stateAt, bytes: state };
    laid.#lay(frames.frame(resumed, mask, place.sites.sigreturn, extendedState), stateAt);
    return laid;
  }

  /** The instruction to make injected calls at. */
  get instruction(): bigint {
    return this.#sites.syscall;
  }

  /** The address of the frame that is next. */
  get #top(): bigint {
    return this.#stack.at(-1)!; // not undefined: the frame that restores the registers is never taken off
  }

  /** `call` with what stands behind it. */
  beneath(call: Registers): Registers {
    return this.#frames.withStackPointer(call, this.#top, this.#sites.sigreturn);
  }

  /** `call`, which is rt_sigreturn(2), with the frames that stand {@linkcode beneath} others. */
  itself(call: Registers): Registers {
    return this.#frames.withFrameAt(call, this.#top);
  }

  get sites(): ReturnSites {
    return this.#sites;
  }

  /**
   * Have `call` made, too, before all that has been asked for so far: from the next call on that is put {@linkcode beneath}.
   * The address of its data; `undefined` when there is no room left, or nothing to `call`.
   */
  push(
    call: (data: bigint) => Registers | undefined,
    { data = new Uint8Array(0), always = false }: PushOptions = {},
  ): bigint | undefined {
    const above = this.#top;
    if (!this.#makeRoom(data.length)) return undefined;
    const dataAt = alignDown(this.#area.lowest - BigInt(data.length), ALIGNMENT);
    const undoing = call(dataAt);
    if (undoing === undefined) return undefined;
    const registers = this.#frames.withStackPointer(undoing, above, this.#sites.sigreturn);
    if (data.length > 0) writeMemory(this.#tid, dataAt, data);
    this.#lay(this.#frames.frame(registers, ALL_SIGNALS, this.#sites.sigreturn), dataAt);
    if (always && this.#always === this.#stack.length - 1) this.#always++;
    return dataAt;
  }

  /** Nothing of what was done is to be undone any more. */
  commit(): void {
    this.#stack.length = this.#always;
  }

  /**
   * A stack pointer for a thread that is about to be cloned, and to end by itself if no tracer is left to end
   * it: registers `exit` are those of its last call. `undefined` when there is no room left.
   */
  forChild(exit: Registers): bigint | undefined {
    if (!this.#makeRoom(0)) return undefined;
    const frame = this.#frames.frame(exit, ALL_SIGNALS, this.#sites.sigreturn);
    const address = this.#write(frame, this.#area.lowest);
    return this.#frames.stackPointer(
      this.#frames.withStackPointer(exit, address, this.#sites.sigreturn),
    );
  }

  /** Put back the bytes that the frames and the scratch lie on. They are of no use any more. */
  remove(): void {
    this.#place.grown = this.#grownBefore;
    for (const { bottom, lowest, before } of this.#areas) {
      writeMemory(this.#tid, lowest, before.slice(Number(lowest - bottom)));
    }
  }

  /** Whether there is room for one more frame, with `dataSize` bytes for its call. */
  #makeRoom(dataSize: number): boolean {
    const needed = BigInt(MARGIN + dataSize) + ALIGNMENT;
    const { bottom, lowest, before } = this.#area;
    if (lowest - needed >= bottom) return true;
    const end = bottom + BigInt(before.length);
    const limit = this.#limit;
    if (limit === undefined || limit - end < needed) return false;
    const size = Number(limit - end < LARGEST_FURTHER ? limit - end : LARGEST_FURTHER);
    this.#addArea(end, size);
    this.#place.grown = { start: end + BigInt(size), limit };
    return true;
  }

  #lay(frame: Uint8Array<ArrayBuffer>, below: bigint): void {
    this.#stack.push(this.#write(frame, below));
  }

  #write(frame: Uint8Array<ArrayBuffer>, below: bigint): bigint {
    const address = alignDown(below - BigInt(frame.length), ALIGNMENT);
    writeMemory(this.#tid, address, frame);
    this.#area.lowest = address;
    return address;
  }
}

interface Area {
  readonly bottom: bigint;
  /** Address of the lowest byte that is used. */
  lowest: bigint;
  /** What stood from `bottom` to the end, that of the scratch where one follows. */
  readonly before: Uint8Array<ArrayBuffer>;
}

export interface PushOptions {
  /** For the call to work on: it is given the address. */
  readonly data?: Uint8Array<ArrayBuffer> | undefined;
  /** Also after {@linkcode SigframeStack.commit}. For the first ones that are pushed. */
  readonly always?: boolean;
}

/** For one frame of any architecture without extended state, with alignment. */
const MARGIN = 1536;

function alignDown(address: bigint, alignment: bigint): bigint {
  return address & ~(alignment - 1n);
}
