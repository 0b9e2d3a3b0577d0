/** A working directory that has no name any more. */

/** Runs the words after it in a directory that has been deleted. */
export const IN_DELETED: readonly string[] = [
  "sh",
  "-c",
  'folder=$(mktemp -d) && cd "$folder" && rmdir "$folder" && exec "$@"',
  "sh",
];

/** The same in one whose file system has been unmounted. What is made there is gone with the process. */
export const IN_UNMOUNTED: readonly string[] = [
  "unshare",
  "--mount",
  "sh",
  "-c",
  'mount -t tmpfs tmpfs /mnt && cd /mnt && umount -l /mnt && exec "$@"',
  "sh",
];

/** What `argv` says, and its exit status. */
export function said(argv: readonly string[]) {
  const [command, ...args] = argv;
  const { code, stdout, stderr } = new Deno.Command(command!, { args, stdin: "null" }).outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}
