/** Other users, namespaces, mounts and chroot(2), tried with the commands that tests use for them. */
import { AS_NOBODY, isRoot } from "../users.ts";
import { whyFails } from "./attempt.ts";

/** Other words before a command of a probe take a right from it, in tests of the probes. */
type Prefix = readonly string[];

const MOUNTING = ["unshare", "-m", "--propagation", "private", "sh", "-c"];

export function whyNoUsers(prefix: Prefix = []): string | undefined {
  return whyFails([...prefix, ...AS_NOBODY, "true"]);
}

/** As nobody where that can be: root may make one even where others may not. */
export function whyNoUserNamespaces(
  prefix: Prefix = isRoot ? AS_NOBODY : [],
): string | undefined {
  return whyFails([...prefix, "unshare", "-Ur", "true"]);
}

export function whyNoMounts(prefix: Prefix = []): string | undefined {
  const folder = Deno.makeTempDirSync({ prefix: "reptyr-probe-" });
  try {
    const script = 'mount -t tmpfs none "$0" && : >"$0/file" && mount --bind "$0" "$0" && ' +
      'mount -o remount,ro,bind "$0"';
    return whyFails([...prefix, ...MOUNTING, script, folder]);
  } finally {
    Deno.removeSync(folder);
  }
}

export function whyNoDevpts(prefix: Prefix = []): string | undefined {
  const script = "mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts /dev/pts && " +
    "mount --bind /dev/pts/ptmx /dev/ptmx && exec 3<>/dev/ptmx";
  return whyFails([...prefix, ...MOUNTING, script]);
}

/** Nobody answers at the other end: that a file system is mounted is all that is to be seen. */
export function whyNoFuse(prefix: Prefix = []): string | undefined {
  const folder = Deno.makeTempDirSync({ prefix: "reptyr-probe-" });
  try {
    const script = "exec 3<>/dev/fuse && " +
      'mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0,allow_other none "$0"';
    return whyFails([...prefix, ...MOUNTING, script, folder]);
  } finally {
    Deno.removeSync(folder);
  }
}

/** Which number is given away next is for the namespace's root to say. */
export function whyNoChosenPids(prefix: Prefix = []): string | undefined {
  const script = "echo 20000 >/proc/sys/kernel/ns_last_pid && " +
    "test \"$(sh -c 'echo $$')\" -gt 20000";
  return whyFails([...prefix, "unshare", "-p", "-f", "--mount-proc", "sh", "-c", script]);
}

export function whyNoPidNamespaces(prefix: Prefix = []): string | undefined {
  return whyFails([...prefix, "unshare", "-p", "-f", "--mount-proc", "true"]);
}

export function whyNoNetworkNamespaces(prefix: Prefix = []): string | undefined {
  return whyFails([...prefix, "unshare", "-n", "true"]);
}

export function whyNoUtsNamespaces(prefix: Prefix = []): string | undefined {
  return whyFails([...prefix, "unshare", "-u", "true"]);
}

export function whyNoIpcNamespaces(prefix: Prefix = []): string | undefined {
  return whyFails([...prefix, "unshare", "-i", "true"]);
}

export function whyNoChroot(prefix: Prefix = []): string | undefined {
  return whyFails([...prefix, "chroot", "/", "true"]);
}
