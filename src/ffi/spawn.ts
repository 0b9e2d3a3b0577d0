/**
 * New processes by posix_spawn(3). Deno.Command cannot make a session, and fork(2) cannot be called
 * from a program with threads: the child would inherit their locks, but not the threads.
 */
import { SyscallError } from "../errors.ts";
import {
  O_CLOEXEC,
  POSIX_SPAWN_SETPGROUP,
  POSIX_SPAWN_SETSID,
  POSIX_SPAWN_SETSIGDEF,
  POSIX_SPAWN_SETSIGMASK,
} from "./constants.ts";
import { describeErrno, ERRNO } from "./errno.ts";
import { libc } from "./libc.ts";
import { withOriginalLimits } from "./own_limits.ts";
import { addressOf, cString } from "./memory.ts";
import { posixSpawnattr, posixSpawnFileActions, sigset } from "./structs.ts";

/** What descriptor `fd` of the new process is: a file it opens itself, or one of our descriptors. */
export type SpawnFile =
  /** `flags` as for open(2); O_CREAT makes the file with mode 0o666 less the umask. */
  | { readonly fd: number; readonly path: string; readonly flags: number }
  | { readonly fd: number; readonly dup: number }
  /** Closed. */
  | { readonly close: number };

export interface SpawnOptions {
  /** The whole environment of the new process. */
  readonly env: Readonly<Record<string, string>>;
  /** Done in this order. All other descriptors of ours are close-on-exec and stay here. */
  readonly files?: readonly SpawnFile[];
  /**
   * Lead a new session. It has no controlling terminal: a terminal that `files` opens without
   * O_NOCTTY becomes it, since glibc calls setsid(2) before it opens them.
   */
  readonly newSession?: boolean;
  /** Lead a new process group in our session. */
  readonly newGroup?: boolean;
  /** Signals that stay ignored where this program ignores them, bit N - 1 for signal N. */
  readonly ignored?: bigint;
}

/**
 * Run `argv` in a new process; `argv[0]` is looked up in our own PATH. Every signal has its default
 * action there and none is blocked, whatever this program ignores; its limits are those that this program was
 * started with.
 *
 * Returns the PID of a child that the caller has to reap. Throws SyscallError when the program cannot
 * be run or one of `files` cannot be opened: then there is no child.
 */
export function spawn(argv: readonly string[], options: SpawnOptions): number {
  using call = new PreparedSpawn(argv, options);
  check(withOriginalLimits(() => libc().posix_spawnp(...call.args)), call.name);
  return call.pid;
}

/**
 * The same on another thread: `files` may hold the child up before it runs the program, for as long as opening one
 * of them takes. Until the program runs, the child shares this program's memory, and it has its raised limits: see
 * `giveOriginalLimits()`. Rejects as `spawn` throws.
 */
export async function spawnPaused(argv: readonly string[], options: SpawnOptions): Promise<number> {
  using call = new PreparedSpawn(argv, options);
  check(await libc().posix_spawnpAsync(...call.args), call.name);
  return call.pid;
}

/** No program: its name is that of a file in something that is no folder. */
const NO_PROGRAM = "/dev/null/none";

/** Whether the kernel starts one more process or thread for this user. A child is tried, which ends without running. */
export function mayStartProcess(): boolean {
  using call = new PreparedSpawn([NO_PROGRAM], { env: {} });
  return libc().posix_spawnp(...call.args) !== ERRNO.EAGAIN;
}

/** The arguments of posix_spawnp(3), and all that they point to. */
class PreparedSpawn implements Disposable {
  readonly name: string;
  readonly #program: Uint8Array<ArrayBuffer>;
  readonly #argv: StringVector;
  readonly #env: StringVector;
  readonly #actions = new Uint8Array(posixSpawnFileActions.size);
  readonly #attributes = new Uint8Array(posixSpawnattr.size);
  readonly #pid = new Int32Array(1);

  constructor(argv: readonly string[], options: SpawnOptions) {
    const program = argv[0];
    if (program === undefined) throw new RangeError("A program to run must be named");
    this.name = `posix_spawnp(${program})`;
    this.#program = cString(program);
    this.#argv = new StringVector(argv);
    this.#env = new StringVector(
      Object.entries(options.env).map(([name, value]) => `${name}=${value}`),
    );
    const c = libc();
    check(c.posix_spawn_file_actions_init(this.#actions), "posix_spawn_file_actions_init");
    check(c.posix_spawnattr_init(this.#attributes), "posix_spawnattr_init");
    for (const file of options.files ?? []) addFile(this.#actions, file);
    setAttributes(this.#attributes, options);
  }

  get args() {
    return [
      new Uint8Array(this.#pid.buffer),
      this.#program,
      this.#actions,
      this.#attributes,
      this.#argv.bytes,
      this.#env.bytes,
    ] as const;
  }

  get pid(): number {
    return this.#pid[0] ?? 0;
  }

  [Symbol.dispose](): void {
    libc().posix_spawnattr_destroy(this.#attributes);
    libc().posix_spawn_file_actions_destroy(this.#actions);
  }
}
function addFile(actions: Uint8Array<ArrayBuffer>, file: SpawnFile): void {
  const c = libc();
  if ("close" in file) {
    return check(
      c.posix_spawn_file_actions_addclose(actions, file.close),
      "posix_spawn_file_actions_addclose",
    );
  }
  if ("dup" in file) {
    // With equal numbers glibc clears close-on-exec, where dup2(2) would do nothing.
    check(
      c.posix_spawn_file_actions_adddup2(actions, file.dup, file.fd),
      "posix_spawn_file_actions_adddup2",
    );
    return;
  }
  if ((file.flags & O_CLOEXEC) !== 0) {
    throw new RangeError(`${file.path} would be closed again by O_CLOEXEC`);
  }
  // glibc copies the path: it need not be kept.
  check(
    c.posix_spawn_file_actions_addopen(actions, file.fd, cString(file.path), file.flags, 0o666),
    "posix_spawn_file_actions_addopen",
  );
}

function setAttributes(attributes: Uint8Array<ArrayBuffer>, options: SpawnOptions): void {
  const c = libc();
  const flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
    (options.newSession === true ? POSIX_SPAWN_SETSID : 0) |
    // The group number in the attributes is 0 after init: the child's own PID.
    (options.newGroup === true ? POSIX_SPAWN_SETPGROUP : 0);
  check(c.posix_spawnattr_setflags(attributes, flags), "posix_spawnattr_setflags");
  const defaults = new Uint8Array(sigset.size).fill(0xff);
  new DataView(defaults.buffer).setBigUint64(0, ~(options.ignored ?? 0n) & ALL_SIGNALS, true);
  check(c.posix_spawnattr_setsigdefault(attributes, defaults), "posix_spawnattr_setsigdefault");
  check(
    c.posix_spawnattr_setsigmask(attributes, new Uint8Array(sigset.size)),
    "posix_spawnattr_setsigmask",
  );
}

const ALL_SIGNALS = 0xffff_ffff_ffff_ffffn;

/** These functions return the error number; they do not set errno. */
function check(error: number, call: string): void {
  if (error !== 0) throw new SyscallError(call, describeErrno(error));
}

/** A `char *const []`: pointers to C strings, a null pointer at the end. */
class StringVector {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What the pointers point to: it lives as long as this object. */
  readonly strings: readonly Uint8Array<ArrayBuffer>[];

  constructor(texts: readonly string[]) {
    this.strings = texts.map(cString);
    const pointers = new BigUint64Array(texts.length + 1);
    this.strings.forEach((string, index) => pointers[index] = addressOf(string));
    this.bytes = new Uint8Array(pointers.buffer);
  }
}
