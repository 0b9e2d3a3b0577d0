/** A cgroup of our own that can be frozen, with processes of a test in it. */
import { freezerMounts } from "../../src/proc/freezer.ts";
import { reasonOf } from "./probes/attempt.ts";
import { waitUntil } from "./terminal.ts";

const MOUNTS = freezerMounts(Deno.readTextFileSync("/proc/self/mountinfo"));

let count = 0;

/** Disposing waits for its processes to end, which are to be declared after it. */
export class Cgroup implements Disposable {
  readonly folder: string;
  readonly #version: 1 | 2;

  constructor(version: 1 | 2, above?: Cgroup) {
    this.#version = version;
    const mount = MOUNTS.find((mount) => mount.version === version);
    if (mount === undefined) throw new Error(`No hierarchy of version ${version} is mounted`);
    this.folder = `${above?.folder ?? mount.folder}/reptyr-test-${Deno.pid}-${count++}`;
    Deno.mkdirSync(this.folder);
  }

  add(pid: number): void {
    Deno.writeTextFileSync(`${this.folder}/cgroup.procs`, String(pid));
  }

  /** All in it stand still when this returns, until it is disposed of: before the processes, which could not end. */
  freeze(): Disposable {
    using undo = new DisposableStack();
    undo.defer(() => this.thaw());
    waitUntil(`${this.folder} to be frozen`, () => {
      // Once more each time: version 1 misses a thread that is on its way into a ptrace-stop.
      this.#set(true);
      return this.isFrozen;
    });
    return undo.move();
  }

  thaw(): void {
    this.#set(false);
  }

  get isFrozen(): boolean {
    const text = (name: string) => Deno.readTextFileSync(`${this.folder}/${name}`);
    return this.#version === 2
      ? /^frozen 1$/m.test(text("cgroup.events"))
      : text("freezer.state") === "FROZEN\n";
  }

  /** The file that thaws it. */
  get file(): string {
    return `${this.folder}/${this.#version === 2 ? "cgroup.freeze" : "freezer.state"}`;
  }

  #set(frozen: boolean): void {
    const [yes, no] = this.#version === 2 ? ["1", "0"] : ["FROZEN", "THAWED"];
    Deno.writeTextFileSync(this.file, frozen ? yes! : no!);
  }

  [Symbol.dispose](): void {
    waitUntil(`${this.folder} to be left`, () => {
      try {
        Deno.removeSync(this.folder);
        return true;
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return true;
        return false;
      }
    });
  }
}

/** Why a cgroup of that version cannot be made and frozen here. */
export function whyNoFreezer(version: 1 | 2): string | undefined {
  try {
    using cgroup = new Cgroup(version);
    using _frozen = cgroup.freeze();
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

/** The versions of cgroups; each is a capability: `freezer_v1`, `freezer_v2`. */
export const FREEZERS = [1, 2] as const;
