/**
 * What becomes of a thread that has registers of ours when this program is killed: the kernel lets it go on with them.
 * So a stack of signal frames stands behind every injected call. If no tracer stops the thread after the call, it
 * returns from there into rt_sigreturn(2), which restores all of its registers and its signal mask. Before the
 * last frame there may be others, each of which makes one more call, to undo what has been done so far.
 *
 * The frames lie at the far end of the main thread's stack, which is the last place that a program uses; the
 * bytes there are put back.
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
  return mayReturn(filter, arch, sites, []) ? { session, tid, arch, sites, stack } : undefined;
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

/** The most that frames may take. */
const LARGEST = 1 << 15;
/** For the arguments of injected calls. */
export const SCRATCH_SIZE = 4096;
const ALIGNMENT = 16n;

export class SigframeStack {
  readonly #tid: number;
  readonly #frames: SignalFrames;
  readonly #sites: ReturnSites;
  readonly #bottom: bigint;
  readonly #top: bigint;
  /** SCRATCH_SIZE bytes above the frames that injected calls may use; `undefined` when they would lack that room. */
  readonly scratch: bigint | undefined;
  /** What stood from `#bottom` to the end of the scratch, or of the frames. */
  readonly #before: Uint8Array<ArrayBuffer>;
  /** Addresses of the frames, the last one to be used first. */
  readonly #stack: bigint[] = [];
  /** How many of them are left when nothing is to be undone. */
  #always = 1;
  #lowest: bigint;

  private constructor(
    place: SigframePlace,
    frames: SignalFrames,
    bottom: bigint,
    size: number,
    scratchSize: number,
  ) {
    this.#tid = place.tid;
    this.#frames = frames;
    this.#sites = place.sites;
    this.#bottom = bottom;
    this.#top = bottom + BigInt(size);
    this.#lowest = this.#top;
    this.scratch = scratchSize === 0 ? undefined : this.#top;
    this.#before = readMemory(this.#tid, bottom, size + scratchSize);
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
    const frames = arch.signalFrames!;
    const images = frames.extendedStateSets.map((name) => session.furtherRegisters.get(tid, name));
    const state = frames.extendedState(images);
    if (state === undefined) return undefined;
    const pointer = frames.stackPointer(original);
    const onIt = pointer > stack.start && pointer <= stack.end;
    const room = (onIt ? pointer - frames.redZone : stack.end) - stack.start;
    const size = room < LARGEST ? Number(room & ~0xfffn) : LARGEST;
    if (size < 2 * state.length + MARGIN) return undefined; // a frame may contain the state
    const scratchSize = room < LARGEST + SCRATCH_SIZE ? 0 : SCRATCH_SIZE;
    const laid = new SigframeStack(place, frames, stack.start, size, scratchSize);
    const stateAt = alignDown(laid.#top - BigInt(state.length), frames.extendedStateAlignment);
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

  /** `call` with what stands behind it. */
  beneath(call: Registers): Registers {
    return this.#frames.withStackPointer(call, this.#stack.at(-1)!, this.#sites.sigreturn);
  }

  /** `call`, which is rt_sigreturn(2), with the frames that stand {@linkcode beneath} others. */
  itself(call: Registers): Registers {
    return this.#frames.withFrameAt(call, this.#stack.at(-1)!);
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
    const above = this.#stack.at(-1)!;
    const dataAt = alignDown(this.#lowest - BigInt(data.length), ALIGNMENT);
    if (dataAt - BigInt(MARGIN) < this.#bottom) return undefined;
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
    if (this.#lowest - BigInt(MARGIN) < this.#bottom) return undefined;
    const frame = this.#frames.frame(exit, ALL_SIGNALS, this.#sites.sigreturn);
    const address = this.#write(frame, this.#lowest);
    return this.#frames.stackPointer(
      this.#frames.withStackPointer(exit, address, this.#sites.sigreturn),
    );
  }

  /** Put back the bytes that the frames and the scratch lie on. They are of no use any more. */
  remove(): void {
    const used = Number(this.#lowest - this.#bottom);
    writeMemory(this.#tid, this.#lowest, this.#before.slice(used));
  }

  #lay(frame: Uint8Array<ArrayBuffer>, below: bigint): void {
    this.#stack.push(this.#write(frame, below));
  }

  #write(frame: Uint8Array<ArrayBuffer>, below: bigint): bigint {
    const address = alignDown(below - BigInt(frame.length), ALIGNMENT);
    writeMemory(this.#tid, address, frame);
    this.#lowest = address;
    return address;
  }
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
