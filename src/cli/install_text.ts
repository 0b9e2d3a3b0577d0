/** What `--install` decides and says. Pure. */

import { RefusedError } from "../errors.ts";

const ROOT_FOLDER = "/usr/local/bin";
const USER_FOLDER = ".local/bin";

/** The folder to install into. Throws RefusedError when none was named and none is usual. */
export function installFolder(
  wanted: string | undefined,
  isRoot: boolean,
  home: string | undefined,
): string {
  if (wanted !== undefined) return wanted;
  if (isRoot) return ROOT_FOLDER;
  if (home !== undefined && home.startsWith("/")) {
    return `${home.replace(/\/+$/, "")}/${USER_FOLDER}`;
  }
  throw new RefusedError("Cannot tell where to install: HOME is not set", [
    "Name a folder: reptyr --install=DIR",
  ]);
}

/**
 * What to know about PATH after an installation into `folder`: that the folder is not on it, or that another
 * reptyr comes before it. `holds` tells whether a path is a program.
 */
export function pathNotes(
  folder: string,
  path: string,
  holds: (path: string) => boolean,
): readonly string[] {
  const folders = path.split(":").map((entry) => entry.replace(/(.)\/+$/, "$1"));
  const place = folders.indexOf(folder);
  if (place === -1) {
    return [`${folder} is not on PATH. Run: export PATH="${folder}:$PATH"`];
  }
  const before = folders.slice(0, place).find((entry) =>
    entry.startsWith("/") && entry !== folder && holds(`${entry}/reptyr`)
  );
  return before === undefined ? [] : [`Another one comes first on PATH: ${before}/reptyr`];
}

/** An error of the kernel as one line with its remedy; errors that say it already stay as they are. */
export function explainInstallFailure(
  error: unknown,
  folder: string,
  wanted: string | undefined,
  isRoot: boolean,
): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const refused = (why: string, remedy: string) =>
    new RefusedError(`Cannot install into ${folder}: ${why}`, [remedy], { cause: error });
  const elsewhere = "Name another folder: reptyr --install=DIR";
  switch (code) {
    case "ENOENT":
      return refused(
        "there is no such folder",
        wanted?.startsWith("~") === true
          ? `The shell leaves a ~ after = as it is. Write: --install="$HOME${wanted.slice(1)}"`
          : `Run: mkdir -p '${folder.replaceAll("'", `'\\''`)}'`,
      );
    case "ENOTDIR":
      return refused("part of its path is no folder", elsewhere);
    case "EACCES":
    case "EPERM":
      return refused(
        "permission denied",
        isRoot || wanted === undefined
          ? elsewhere
          : `Run it with sudo, or name a folder of yours: reptyr --install="$HOME/${USER_FOLDER}"`,
      );
    case "ENOSPC":
    case "EDQUOT":
      return refused("no space is left there; nothing was changed", elsewhere);
    case "EROFS":
      return refused("the file system is read-only", elsewhere);
    case "ETXTBSY":
    case "EIO":
    case "EFBIG":
    case "ELOOP":
    case "ENAMETOOLONG":
      return refused(`${error instanceof Error ? error.message : code}`, elsewhere);
    default:
      return error;
  }
}
