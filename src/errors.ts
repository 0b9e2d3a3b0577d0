/**
 * The errors this program throws on purpose. They hold data and a sentence each; turning them into
 * lines on stderr and an exit status is the work of `cli/`.
 */

/** What the kernel answered: `EPERM`, 1, `operation not permitted`. */
export interface KernelReason {
  readonly errno: number;
  readonly code: string;
  readonly reason: string;
}

/** A system call of ours failed. `call` is written as in C: `ptrace(PTRACE_SEIZE, 4242)`. */
export class SyscallError extends Error implements KernelReason {
  override readonly name: string = "SyscallError";
  readonly errno: number;
  readonly code: string;
  readonly reason: string;

  constructor(readonly call: string, why: KernelReason) {
    super(`${call} failed: ${why.reason} (${why.code})`);
    this.errno = why.errno;
    this.code = why.code;
    this.reason = why.reason;
  }
}

/** A ptrace(2) request failed: the thread was left in the state that it was in, or in an unknown one. */
export class PtraceError extends SyscallError {
  override readonly name = "PtraceError";

  constructor(readonly request: string, readonly tid: number, why: KernelReason) {
    super(`ptrace(${request}, ${tid})`, why);
  }
}

/** A system call that we made the tracee perform failed there. */
export class RemoteSyscallError extends SyscallError {
  override readonly name = "RemoteSyscallError";

  constructor(readonly pid: number, call: string, why: KernelReason) {
    super(`${call} in process ${pid}`, why);
  }
}

/** The tracee ended, or was taken from us by SIGKILL, while we worked on it. */
export class TraceeDiedError extends Error {
  override readonly name = "TraceeDiedError";

  constructor(readonly pid: number) {
    super(`Process ${pid} ended while it was being worked on`);
  }
}

/** A thread did not come to a stop before the deadline. `where` is its kernel wait channel. */
export class StopTimeoutError extends Error {
  override readonly name: string = "StopTimeoutError";

  constructor(
    readonly pid: number,
    readonly tid: number,
    readonly seconds: number,
    readonly state: string,
    readonly where: string,
    message = `Cannot stop process ${pid}: ${describeThread(tid, state, where)} ` +
      `and did not stop within ${seconds} s`,
  ) {
    super(message);
  }
}

/** A thread that makes a call for us does not come back from it: it is frozen, or something in the kernel holds it up. */
export class HeldUpError extends StopTimeoutError {
  override readonly name = "HeldUpError";
  /** Whether it comes back to itself as soon as it goes on. */
  comesBack = true;

  constructor(pid: number, tid: number, seconds: number, state: string, where: string) {
    const message = `Process ${pid} was held up while it was being worked on: ` +
      `${describeThread(tid, state, where)} and did not go on within ${seconds} s`;
    super(pid, tid, seconds, state, where, message);
  }
}

function describeThread(tid: number, state: string, where: string): string {
  return `thread ${tid} is in state ${state}${where === "" ? "" : ` (waiting in ${where})`}`;
}

/** The user does not want to wait any longer, and nothing has been changed: `signal` says so, with `status` for ours. */
export class GivenUpError extends Error {
  override readonly name = "GivenUpError";

  constructor(readonly signal: string, readonly status: number) {
    super(`Given up after ${signal}: nothing has been changed`);
  }
}

/** The command line is wrong: exit status 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/**
 * Something cannot be done, and we know why before or after trying: exit status 1.
 * `remedies` are further lines, each a thing the user can do.
 */
export class RefusedError extends Error {
  override readonly name = "RefusedError";

  constructor(message: string, readonly remedies: readonly string[] = [], options?: ErrorOptions) {
    super(message, options);
  }
}

/** A command that we were asked to run could not be: `status` is that of a shell then, 127 or 126. */
export class CommandError extends Error {
  override readonly name = "CommandError";

  constructor(message: string, readonly status: number, options?: ErrorOptions) {
    super(message, options);
  }

  /** For `program`, which execve(2) refused with `cause`: POSIX, "Exit Status for Commands". */
  static notRun(program: string, cause: SyscallError): CommandError {
    const isMissing = cause.code === "ENOENT" || cause.code === "ENOTDIR";
    return new CommandError(
      `Cannot run ${program === "" ? "''" : program}: ${cause.reason} (${cause.code})`,
      isMissing ? 127 : 126,
      { cause },
    );
  }
}

/**
 * What went wrong first. A SuppressedError has what then failed in undoing things, which is a consequence of it; an
 * AggregateError has what failed with several processes at the same time.
 */
export function firstOf(error: unknown): unknown {
  if (error instanceof SuppressedError) return firstOf(error.suppressed);
  return error instanceof AggregateError ? firstOf(error.errors[0]) : error;
}

/** As {@linkcode firstOf}, of each process where several failed at the same time. */
export function firstsOf(error: unknown): readonly unknown[] {
  if (error instanceof SuppressedError) return firstsOf(error.suppressed);
  return error instanceof AggregateError ? error.errors.flatMap(firstsOf) : [error];
}

/** Whether undoing has failed, too, after what went wrong first. */
export function hasFailedUndoing(error: unknown): boolean {
  if (error instanceof SuppressedError) return true;
  return error instanceof AggregateError && error.errors.some(hasFailedUndoing);
}

/**
 * Whether `error` is one that stopping another process, or changing it, can end in at any time: the process has ended, does
 * not stop, or may not be traced. What a service does beside showing a terminal is then left undone, and the service goes on.
 */
export function isExpected(error: unknown): boolean {
  if (error instanceof SuppressedError) {
    return isExpected(error.suppressed) && isExpected(error.error);
  }
  if (error instanceof AggregateError) return error.errors.every(isExpected);
  const expected = [RefusedError, StopTimeoutError, SyscallError, TraceeDiedError];
  return expected.some((one) => error instanceof one);
}
