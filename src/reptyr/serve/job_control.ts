/**
 * The keys that mean a signal, where the kernel's own way does not reach.
 *
 * ^Z: job_stop.ts says when it is ours to act upon, and stops the job.
 *
 * ^C, ^\\ and window changes: relayed groups get them from us, signal_relay.ts, parents before their children
 * (docs/kernel-notes.md#a-script-judges-its-command-by-its-own-signals). Where there are relayed groups such a key does
 * not reach the line discipline: docs/kernel-notes.md#a-signal-key-discards-output.
 */
import { SyscallError } from "../../errors.ts";
import { SIGTSTP } from "../../ffi/constants.ts";
import { ERRNO } from "../../ffi/errno.ts";
import type { KeySource } from "../../tty/pump.ts";
import { SignalKeys } from "../../tty/signal_keys.ts";
import { TakenKeys } from "../../tty/taken_keys.ts";
import { getTermios } from "../../tty/termios.ts";
import { JobStop, type JobStopOptions } from "./job_stop.ts";
import { ancestorsAmong, signalProcesses, signalRelayedOthers } from "./signal_relay.ts";

export interface JobControlOptions extends JobStopOptions {
  /** Where the keys come from. */
  readonly source: KeySource;
}

export class JobControl implements KeySource {
  readonly #options: JobControlOptions;
  readonly #keys = new SignalKeys();
  readonly #taken: TakenKeys;
  readonly #stop: JobStop;
  /** Bytes that were typed after a ^Z, or from a key that we act upon onwards. */
  #held: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #stopping = false;
  #knowsSettings = false;

  constructor(options: JobControlOptions) {
    this.#options = options;
    this.#taken = new TakenKeys(options.pty);
    this.#stop = new JobStop(options);
  }

  get listening(): boolean {
    return this.#options.source.listening;
  }

  get hasHeld(): boolean {
    const held = this.#held.length > 0 || this.#options.source.hasHeld;
    return held && !this.#stopping;
  }

  /** What the source reads, without the keys that we act upon. */
  readonly read = (fd: number, bytes: Uint8Array<ArrayBuffer>): number => {
    if (this.#stopping) return -ERRNO.EAGAIN;
    this.#stop.putOffLook();
    let count = this.#held.length;
    if (count > 0) bytes.set(this.#held);
    else count = this.#options.source.read(fd, bytes);
    this.#held = new Uint8Array(0);
    return count <= 0 ? count : this.#actUpon(bytes.subarray(0, count));
  };

  /** What was typed up to the signal keys has been passed on. */
  readonly beforeWait = (isIdle: boolean): void => {
    this.#taken.retryEcho();
    this.#options.source.beforeWait(isIdle);
    if (!this.#stopping && !this.#stop.hasStoppedItself()) return;
    this.#stopping = false;
    this.#stop.stop();
  };

  /**
   * Send `signal` to every process that `key` is for, parents before their children. Relayed groups that are not above the
   * target come after it: a program that sees its pipe end does not end by the signal, and a target that is a script must get
   * the signal before its child ends.
   */
  #press(key: number, signal: number): void {
    const { pty, job } = this.#options;
    // Looked up beforehand: a program that writes without end fills the terminal again until it gets the signal.
    const above = ancestorsAmong(job, pty.master);
    this.#taken.take(key);
    signalProcesses(job, above, signal);
    pty.signalForeground(signal);
    signalRelayedOthers(job, signal, above);
  }

  #readSettings(): void {
    try {
      this.#keys.learn(getTermios(this.#options.pty.master));
      this.#knowsSettings = true;
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
    }
  }

  /** How many of `bytes` are for the target. */
  #actUpon(bytes: Uint8Array<ArrayBuffer>): number {
    // A letter means no signal, unless stty(1) has made it a signal key since a control key was last pressed.
    if (!this.#knowsSettings || bytes.some(isControl)) this.#readSettings();
    if (!this.#knowsSettings) return bytes.length;
    for (const { index, key, signal } of this.#keys.find(bytes)) {
      if (signal === SIGTSTP && this.#stop.canStop()) {
        this.#held = bytes.slice(index + 1);
        this.#stopping = true;
        return index === 0 ? -ERRNO.EAGAIN : index;
      }
      if (signal === SIGTSTP || this.#options.job.relayed.groups.length === 0) continue;
      if (index > 0) {
        // The bytes before the key are passed on first.
        this.#held = bytes.slice(index);
        return index;
      }
      this.#held = bytes.slice(1);
      this.#press(key, signal);
      return -ERRNO.EAGAIN;
    }
    return bytes.length;
  }
}

function isControl(byte: number): boolean {
  return byte < 0x20 || byte >= 0x7f;
}
