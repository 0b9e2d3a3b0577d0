/** Root folders as containers have them: of what stands in one here, nothing but what is named is in it. */
import { reptyrPath } from "./reptyr.ts";

export interface SmallRoot {
  /** Folders of this system that it has, too. */
  readonly folders: readonly string[];
  /** Shell commands run with the root in `$root`, before it is entered. */
  readonly before?: string;
}

/** Where the program is in there. */
const PROGRAM = "/reptyr";

/**
 * What runs reptyr in such a root at `folder`, in a mount namespace of its own: it is gone with the last process in it.
 * The command line that follows the words is that of reptyr, its path first.
 */
export function inRoot(folder: string, { folders, before = ":" }: SmallRoot): readonly string[] {
  const script = `set -e
root=${quoted(folder)}
mount -t tmpfs none "$root"
for path in ${folders.map(quoted).join(" ")}; do
  if [ -L "$path" ]; then
    cp -d "$path" "$root$path"
  elif [ -d "$path" ]; then
    mkdir -p "$root$path"
    mount --rbind "$path" "$root$path"
  fi
done
${enter(before)}`;
  return ["unshare", "-m", "--propagation", "private", "sh", "-c", script];
}

/** The same in a folder that holds the libraries of a system already; it is not changed. */
export function inSystem(folder: string): readonly string[] {
  const script = `set -e
root=${quoted(folder)}
mount --bind "$root" "$root"
mkdir -p "$root/proc" "$root/dev"
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
${enter(":")}`;
  return ["unshare", "-m", "--propagation", "private", "sh", "-c", script];
}

function enter(before: string): string {
  return `: >"$root${PROGRAM}"
mount --bind "$0" "$root${PROGRAM}"
${before}
exec chroot "$root" ${PROGRAM} "$@"`;
}

/** What every dynamically linked program needs, and what reptyr reads of the kernel. */
export const LIBRARIES: readonly string[] = ["/lib", "/lib64", "/usr/lib", "/usr/lib64"];

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Runs reptyr behind `prefix` with no terminal. */
export function runBehind(prefix: readonly string[], ...args: string[]) {
  const [program, ...before] = prefix;
  const { code, stdout, stderr } = new Deno.Command(program!, {
    args: [...before, reptyrPath, ...args],
    stdin: "null",
  }).outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}
