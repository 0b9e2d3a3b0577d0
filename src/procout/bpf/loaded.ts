/**
 * The programs, loaded and running. Nothing is pinned: all of it is gone when our descriptors are, however this program
 * ends.
 */
import {
  deleteElement,
  keysOf,
  loadProgram,
  lookupElement,
  missesOf,
  openRawTracepoint,
  runProgram,
  updateElement,
} from "../../ffi/bpf.ts";
import { mapRing, mapValue, pageBytes } from "../../ffi/bpf_memory.ts";
import { close } from "../../ffi/descriptor.ts";
import { allowLockedMemory, getpid } from "../../ffi/process.ts";
import type { DescriptorChoice, SinkOutputs } from "../engine.ts";
import type { KernelOffsets, Namespace } from "./asm.ts";
import { assemble } from "./assembler.ts";
import { BpfUnavailableError, readSurroundings, whatIsMissing } from "./available.ts";
import { encodeCall, indexCalls, type IndexedCalls } from "./call_map.ts";
import { explainLoadFailure, ownPidNamespace, readKernelFacts } from "./kernel_types.ts";
import { GIVEN, LOSS, PROCESS, STATS } from "./layout.ts";
import { ALARM_BYTES, createMaps, type Maps, word } from "./maps.ts";
import { givenProgram, levelProgram, programsFor, type ProgramText } from "./programs.ts";
import { Ring } from "./ring.ts";

export interface BpfOptions {
  readonly follow: boolean;
  readonly choice: DescriptorChoice;
  /** Whether {@linkcode LoadedPrograms.give} will follow. */
  readonly hasGiven: boolean;
  /** A power of two, and a multiple of a page. */
  readonly ringBytes: number;
  /** Drop what there is no room for, in place of holding the writer back. */
  readonly lossy: boolean;
}

/** More than that does not make anything faster; what is left of the ring is for what comes until a thread stops. */
const MOST_WAITING = 8 << 20;
/** How often to attach before a program that is never called is given up. */
const TRIES = 5;

/** Bytes that one thread has lost at one descriptor so far. */
export interface ReplacedFds {
  readonly pid: number;
  readonly tid: number;
  readonly fd: number;
  readonly stream: number;
  readonly count: number;
}

export class LoadedPrograms implements Disposable {
  readonly calls: IndexedCalls = indexCalls(Deno.build.arch);
  readonly ring: Ring;
  readonly alarms: Ring;
  /** Above this the writers are held; undefined where they never are. */
  readonly mark: number | undefined;
  /** Milliseconds since 1970 at 0 of CLOCK_MONOTONIC. */
  readonly epoch: number;
  readonly #maps: Maps;
  readonly #stats: DataView;
  readonly #descriptors: number[];
  /** What has the programs called. */
  readonly #links: number[] = [];
  readonly #mirror: number;
  readonly #kernel: KernelOffsets;

  private constructor(options: BpfOptions, own: number[]) {
    this.#descriptors = own;
    const { choice, follow, lossy, ringBytes } = options;
    const facts = readKernelFacts();
    this.#kernel = facts.kernel;
    const numbers = choice.numbers;
    const page = pageBytes();
    const maps = createMaps(ringBytes, numbers?.size ?? 0, page, (fd) => own.push(fd));
    this.#maps = maps;
    this.#stats = new DataView(mapValue(maps.stats, STATS.size));
    this.ring = new Ring(mapRing(maps.ring, ringBytes), ringBytes);
    const alarmBytes = Math.max(ALARM_BYTES, page);
    this.alarms = new Ring(mapRing(maps.alarms, alarmBytes), alarmBytes);
    this.mark = lossy ? undefined : Math.min(ringBytes / 4, MOST_WAITING);
    for (const [index, call] of this.calls) {
      const element = encodeCall(call);
      if (element !== undefined) updateElement(maps.calls, word(index), element);
    }
    for (const fd of numbers ?? []) updateElement(maps.fds, word(fd), word(fd === 2 ? 2 : 1));

    const programs = programsFor({
      ...facts,
      namespace: this.#namespace(facts.kernel),
      hasNumbers: numbers !== undefined,
      hasGiven: options.hasGiven,
      stdin: choice.stdin,
      ringBytes,
      mark: this.mark,
    }, { follow, lossy });
    for (const program of programs.next) {
      updateElement(maps.programs, word(program.index), word(this.#load(program)));
    }
    this.#mirror = this.#load(programs.mirror);
    this.epoch = this.#attachMirror();
    for (const program of programs.others) {
      this.#link(this.#load(program), program.tracepoint);
    }
  }

  /** Throws BpfUnavailableError. */
  static load(options: BpfOptions): LoadedPrograms {
    const missing = whatIsMissing(readSurroundings());
    if (missing !== undefined) throw missing;
    const own: number[] = [];
    using _allowed = allowLockedMemory();
    try {
      return new LoadedPrograms(options, own);
    } catch (error) {
      for (const fd of own) close(fd);
      throw explainLoadFailure(error);
    }
  }

  get ringDescriptor(): number {
    return this.#maps.ring;
  }

  get alarmDescriptor(): number {
    return this.#maps.alarms;
  }

  /** One of STATS. */
  stat(offset: number): number {
    return Number(this.#stats.getBigUint64(offset, true));
  }

  /** How often the program was passed over: calls of which nothing is known. */
  get misses(): number {
    return missesOf(this.#mirror);
  }

  /** Watch process `pid` from now on. */
  watch(pid: number): void {
    updateElement(this.#maps.processes, word(pid), word(PROCESS.watched));
  }

  /** A command was given outputs that we have ourselves. Throws SyscallError, or VerifierError. */
  give({ command, stdout, stderr }: SinkOutputs): void {
    const value = new Uint8Array(GIVEN.size);
    new DataView(value.buffer).setUint32(GIVEN.command, command ?? 0, true);
    updateElement(this.#maps.given, word(0), value);
    using _allowed = allowLockedMemory();
    if (runProgram(this.#load(givenProgram(this.#kernel, stdout, stderr))) !== 1) {
      throw new Error("The kernel does not tell which files the command's outputs are");
    }
  }

  /** Whether thread `tid`, which waits in the kernel, will stop before it runs on: what it has is safe to be read then. */
  setHeld(tid: number, isHeld: boolean): void {
    if (isHeld) updateElement(this.#maps.held, word(tid), word(1));
    else deleteElement(this.#maps.held, word(tid));
  }

  forget(pid: number): void {
    deleteElement(this.#maps.processes, word(pid));
  }

  /** Those that are watched and have not ended. */
  *watched(): Generator<number> {
    for (const key of keysOf(this.#maps.processes, 4)) {
      yield new DataView(key.buffer).getUint32(0, true);
    }
  }

  /** All losses so far. */
  *losses(): Generator<ReplacedFds> {
    const value = new Uint8Array(8);
    for (const key of keysOf(this.#maps.losses, LOSS.keySize)) {
      if (!lookupElement(this.#maps.losses, key, value)) continue;
      const view = new DataView(key.buffer);
      yield {
        pid: view.getUint32(LOSS.pid, true),
        tid: view.getUint32(LOSS.tid, true),
        fd: view.getInt32(LOSS.fd, true),
        stream: view.getUint32(LOSS.stream, true),
        count: Number(new DataView(value.buffer).getBigUint64(0, true)),
      };
    }
  }

  /** Nothing is seen from now on; what has been can still be read. */
  detach(): void {
    for (const fd of this.#links.splice(0)) {
      close(fd);
      this.#descriptors.splice(this.#descriptors.indexOf(fd), 1);
    }
  }

  [Symbol.dispose](): void {
    this.detach();
    for (const fd of this.#descriptors.splice(0)) close(fd);
  }

  #link(program: number, tracepoint: string): number {
    const fd = openRawTracepoint(program, tracepoint);
    this.#links.push(fd);
    this.#descriptors.push(fd);
    return fd;
  }

  #load({ name, text }: ProgramText): number {
    const fd = loadProgram(name, assemble(text, this.#maps));
    this.#descriptors.push(fd);
    return fd;
  }

  #namespace(kernel: KernelOffsets): Namespace | undefined {
    const inode = ownPidNamespace();
    if (inode === undefined) return undefined;
    return { inode, level: runProgram(this.#load(levelProgram(kernel))) };
  }

  /**
   * Attached does not mean called: so a call of our own has to be seen. That it was, and when, also tells how the kernel's
   * clock and ours differ.
   */
  #attachMirror(): number {
    const maps = this.#maps;
    updateElement(maps.processes, word(Deno.pid), word(PROCESS.self));
    try {
      for (let tries = 0; tries < TRIES; tries++) {
        const link = this.#link(this.#mirror, "sys_exit");
        const before = this.stat(STATS.pings);
        getpid();
        const now = performance.timeOrigin + performance.now();
        if (this.stat(STATS.pings) > before) {
          return now - this.stat(STATS.pingTime) / 1e6;
        }
        this.#links.pop();
        close(link);
      }
    } finally {
      deleteElement(maps.processes, word(Deno.pid));
    }
    throw new BpfUnavailableError("the kernel never calls the program at the tracepoint sys_exit");
  }
}
