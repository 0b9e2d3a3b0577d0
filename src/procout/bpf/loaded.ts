/**
 * The programs, loaded and running. Nothing is pinned: all of it is gone when our descriptors are, however this program
 * ends.
 */
import { SAVED_REGISTERS } from "../../arch/pt_regs.ts";
import { SyscallError } from "../../errors.ts";
import {
  deleteElement,
  keysOf,
  loadProgram,
  lookupElement,
  missesOf,
  openRawTracepoint,
  runProgram,
  updateElement,
  VerifierError,
} from "../../ffi/bpf.ts";
import { mapRing, mapValue, pageBytes } from "../../ffi/bpf_memory.ts";
import { close } from "../../ffi/descriptor.ts";
import { libc } from "../../ffi/libc.ts";
import { allowLockedMemory } from "../../ffi/process.ts";
import type { DescriptorChoice, StandInOutputs } from "../engine.ts";
import { assemble } from "./assembler.ts";
import { BpfUnavailableError, KERNEL_TYPES, readSurroundings, whatIsMissing } from "./available.ts";
import { findOffsets } from "./btf.ts";
import { encodeCall, indexCalls, type IndexedCalls } from "./call_map.ts";
import { GIVEN, LOSS, NEXT_PROGRAM, PROCESS, STATS } from "./layout.ts";
import { ALARM_BYTES, createMaps, type Maps, word } from "./maps.ts";
import { givenText } from "./files_text.ts";
import { mirrorText } from "./mirror_text.ts";
import { goOnText } from "./pieces_text.ts";
import { exitText, forkText, levelText, signalText } from "./process_text.ts";
import type { MirrorSettings } from "./record_text.ts";
import { Ring } from "./ring.ts";
import { waitText } from "./room_text.ts";
import { KERNEL_STRUCTURES, type KernelOffsets, type Namespace } from "./text.ts";

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

/** The first pid namespace: PROC_PID_INIT_INO of <linux/proc_ns.h>. */
const FIRST_PID_NAMESPACE = 0xeffffffc;
/** More than that does not make anything faster; what is left of the ring is for what comes until a thread stops. */
const MOST_WAITING = 8 << 20;
/** How often to attach before a program that is never called is given up. */
const TRIES = 5;

/** Bytes that one thread has lost at one descriptor so far. */
export interface Loss {
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
    const { threadStatus, ...kernel } = readKernel();
    this.#kernel = kernel.offsets;
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
      updateElement(maps.calls, word(index), encodeCall(call)!);
    }
    for (const fd of numbers ?? []) updateElement(maps.fds, word(fd), word(fd === 2 ? 2 : 1));

    const namespace = this.#namespace(kernel.offsets);
    const settings: MirrorSettings = {
      registers: SAVED_REGISTERS[Deno.build.arch],
      kernel: kernel.offsets,
      namespace,
      threadStatus,
      hasNumbers: numbers !== undefined,
      hasGiven: options.hasGiven,
      stdin: choice.stdin,
      ringBytes,
      mark: this.mark,
    };
    const goOn = this.#load("procout_go_on", goOnText(settings));
    updateElement(maps.programs, word(NEXT_PROGRAM.goOn), word(goOn));
    if (!lossy) {
      const wait = this.#load("procout_wait", waitText(settings));
      updateElement(maps.programs, word(NEXT_PROGRAM.wait), word(wait));
    }
    this.#mirror = this.#load("procout_mirror", mirrorText(settings));
    this.epoch = this.#attachMirror();
    const attach = (name: string, text: string, tracepoint: string) =>
      this.#link(this.#load(name, text), tracepoint);
    if (follow) attach("procout_fork", forkText(settings), "sched_process_fork");
    attach("procout_exit", exitText(settings), "sched_process_exit");
    attach("procout_signal", signalText(settings), "signal_deliver");
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
      throw explain(error);
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
  give({ command, stdout, stderr }: StandInOutputs): void {
    const value = new Uint8Array(GIVEN.size);
    new DataView(value.buffer).setUint32(GIVEN.command, command ?? 0, true);
    updateElement(this.#maps.given, word(0), value);
    using _allowed = allowLockedMemory();
    const text = givenText(this.#kernel, stdout, stderr);
    if (runProgram(this.#load("procout_given", text)) !== 1) {
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
  *losses(): Generator<Loss> {
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

  #load(name: string, text: string): number {
    const fd = loadProgram(name, assemble(text, this.#maps));
    this.#descriptors.push(fd);
    return fd;
  }

  #namespace(kernel: KernelOffsets): Namespace | undefined {
    const inode = Deno.statSync("/proc/self/ns/pid").ino ?? FIRST_PID_NAMESPACE;
    if (inode === FIRST_PID_NAMESPACE) return undefined;
    const level = runProgram(
      this.#load("procout_level", levelText({ kernel, namespace: undefined })),
    );
    return { inode, level };
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
        libc().getpid();
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

function readKernel(): { offsets: KernelOffsets; threadStatus: number | undefined } {
  const bytes = Deno.readFileSync(KERNEL_TYPES);
  if (Deno.build.arch !== "x86_64") {
    return { offsets: findOffsets(bytes, KERNEL_STRUCTURES), threadStatus: undefined };
  }
  const offsets = findOffsets(bytes, { ...KERNEL_STRUCTURES, thread_info: ["status"] });
  const threadStatus = offsets["task_struct.thread_info"] + offsets["thread_info.status"];
  return { offsets, threadStatus };
}

function explain(error: unknown): unknown {
  const unavailable = (why: string) => new BpfUnavailableError(why, [], { cause: error });
  if (error instanceof SyscallError) {
    const { call, reason, code } = error;
    if (call.includes("RAW_TRACEPOINT")) {
      return unavailable(`no tracepoint: ${call}: ${reason} (${code})`);
    }
    return unavailable(`${call}: ${reason} (${code})`);
  }
  if (error instanceof VerifierError) {
    return unavailable(`this kernel does not accept its program ${error.program}`);
  }
  // What the kernel tells about its structures is not what is looked for.
  if (error instanceof SyntaxError) return unavailable(error.message);
  return error;
}
