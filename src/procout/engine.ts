/**
 * What an engine is asked for and what it gives. An engine sees what processes write and knows nothing of formats and
 * files; the receiver of the events knows nothing of engines.
 */

/** Which transfers are wanted. */
export interface DescriptorChoice {
  /** These numbers; `undefined` for 1, 2 and every other one that is open on the same file as one of them. */
  readonly numbers: ReadonlySet<number> | undefined;
  /** Also what is read from descriptor 0. */
  readonly stdin: boolean;
}

/** What a command of ours was given for its outputs, so that they are known whatever their numbers become. */
export interface SinkOutputs {
  /**
   * Of this process what its descriptors 1 and 2 become is watched, too, of all others only these outputs. Undefined when
   * that holds for everybody.
   */
  readonly command: number | undefined;
  /** Our own descriptors for the same open file descriptions. */
  readonly stdout: number;
  readonly stderr: number;
}

export interface WatchRequest {
  /** Processes, each once. */
  readonly pids: readonly number[];
  /** Also their children, those there already and those to come. */
  readonly follow: boolean;
  readonly choice: DescriptorChoice;
  readonly outputSink?: SinkOutputs | undefined;
  /** Processes that `follow` comes to and that are not watched: feedback.ts. */
  readonly excludedPids?: ReadonlySet<number>;
}

/** Which of the target's outputs a descriptor is, or 0: its input. */
export type Stream = 0 | 1 | 2;

/** Who did it: `time` in milliseconds since 1970, with fractions. */
interface Origin {
  readonly time: number;
  readonly pid: number;
  readonly tid: number;
  readonly fd: number;
  readonly stream: Stream;
}

export type WatchEvent =
  /** Bytes that a call wrote, or read. They are the engine's and are overwritten after the call that tells of them. */
  | Origin & { readonly kind: "output" | "input"; readonly bytes: Uint8Array<ArrayBuffer> }
  /** Bytes that are known to have been written, or read, and could not be had. */
  | Origin & { readonly kind: "lost"; readonly count: number; readonly why: string }
  /** A target was told that its terminal has another size. */
  | { readonly kind: "resize"; readonly time: number; readonly pid: number }
  /** A process has ended. `status` is its wait status, where the engine is told. */
  | {
    readonly kind: "end";
    readonly time: number;
    readonly pid: number;
    readonly status: number | undefined;
  }
  /** Told once for each process and call: bytes that go this way are not seen. */
  | { readonly kind: "unseen"; readonly time: number; readonly pid: number; readonly call: string };

/** Work that must not wait: `ring` is called when `fd` is readable. */
export interface ReadyHandler {
  readonly fd: number;
  readonly ring: () => void;
}

/** Who takes the events. */
export interface Receiver {
  /** Called for each event, in the order in which things happened, as far as the engine knows it. Never throws. */
  receive(event: WatchEvent): void;
  /** Whether what was received is still on its way: then no more is to be given until {@linkcode room} settles. */
  readonly blocked: boolean;
  /** Settles also when the engine is asked for something else. */
  room(): Promise<void>;
  /** Write what is on its way, as far as that goes within a moment. */
  retry(): void;
  /** Whether many events are coming: what they make may be written together. Turning it off writes what there is. */
  gather(on: boolean): void;
  /** Calls `readyHandler` also while {@linkcode receive} waits for a reader, as it may for a moment. */
  onReady(readyHandler: ReadyHandler): void;
}

/** How an engine learns that it is to come to an end. */
export interface Control {
  /** Whether to let the targets go. */
  readonly stopping: boolean;
  /** Whether this program is asked to stop for a while (^Z): {@linkcode suspend} does, once nobody depends on it. */
  readonly suspending: boolean;
  /** Returns when this program is continued. */
  suspend(): void;
  /** In place of that: it cannot stop now. */
  stay(): void;
  /** Give the listeners of signals their turn. After `interrupted`, a call that a signal broke, one is sure to come. */
  turn(interrupted: boolean): Promise<void>;
  /** Settles when `until` does, at the next signal, or at once when there was one since the last turn. */
  sleep(until: Promise<unknown>): Promise<void>;
  /**
   * Where it is there, it is called time and again in place of sleeping without turns of the event loop: there is
   * something to be done on this thread that cannot wait. It sleeps for a moment itself.
   */
  readonly drainOnce?: (() => void) | undefined;
}

export interface Engine extends Disposable {
  readonly name: "ptrace" | "bpf";
  /** Begin to watch. Throws RefusedError with the reason when one of the processes cannot be; then none is. */
  attach(): void;
  /** In place of that: watch `pid`, a child of ours that is paused before execve(2), from there on. */
  attachPaused(pid: number): void;
  /** Gives events until all that is watched has ended or `stopping`. Disposing lets go of what is still watched. */
  run(): Promise<void>;
}
