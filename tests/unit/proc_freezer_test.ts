import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type FreezerMount, freezerMounts, freezersIn, thawing } from "../../src/proc/freezer.ts";

const MOUNTINFO = [
  "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755",
  "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu",
  "37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime shared:9 - cgroup cgroup rw,freezer",
  "41 31 0:38 / /sys/fs/cgroup/uni\\040fied rw,relatime - cgroup2 cgroup2 rw,nsdelegate",
  "",
].join("\n");

const V1: FreezerMount = { version: 1, root: "/", folder: "/sys/fs/cgroup/freezer" };
const V2: FreezerMount = { version: 2, root: "/", folder: "/sys/fs/cgroup" };

describe("freezerMounts", () => {
  it("finds the freezers of both cgroup versions", () => {
    assertEquals(freezerMounts(MOUNTINFO), [
      V1,
      { version: 2, root: "/", folder: "/sys/fs/cgroup/uni fied" },
    ]);
  });
});

describe("freezersIn", () => {
  const folders = (cgroup: string, mounts: readonly FreezerMount[]) =>
    freezersIn(cgroup, mounts).map(({ version, path, folder }) => `${version} ${path} ${folder}`);

  it("goes from the innermost cgroup to the root", () => {
    assertEquals(folders("0::/a.slice/b.service\n", [V1, V2]), [
      "2 /a.slice/b.service /sys/fs/cgroup/a.slice/b.service",
      "2 /a.slice /sys/fs/cgroup/a.slice",
      "2 / /sys/fs/cgroup",
    ]);
  });

  it("looks at version 1 only in the freezer hierarchy", () => {
    assertEquals(folders("9:name=systemd:/x\n8:pids,freezer:/a\n0::/\n", [V1, V2]), [
      "1 /a /sys/fs/cgroup/freezer/a",
      "1 / /sys/fs/cgroup/freezer",
      "2 / /sys/fs/cgroup",
    ]);
  });

  it("resolves a mount of a part of the hierarchy to that part", () => {
    const mount: FreezerMount = { version: 2, root: "/docker/abc", folder: "/cg" };
    assertEquals(folders("0::/docker/abc/d\n", [mount]), [
      "2 /docker/abc/d /cg/d",
      "2 /docker/abc /cg",
    ]);
    assertEquals(folders("0::/docker/abcd\n", [mount]), []);
  });

  it("leaves out cgroups that are outside of our namespace or mounted nowhere", () => {
    assertEquals(folders("0::/../other\n", [V2]), []);
    assertEquals(folders("0::/a\n", [V1]), []);
    assertEquals(folders("", [V2]), []);
  });
});

describe("thawing", () => {
  const of = (path: string, uid = 0, version: 1 | 2 = 2) =>
    thawing({ version, path, folder: `/cg${path}` }, uid);
  const id = "0123456789ab".padEnd(64, "c");

  it("names the container's own command", () => {
    for (const path of [`/docker/${id}`, `/system.slice/docker-${id}.scope`]) {
      assertEquals(of(path), ["To let it go on, run: docker unpause 0123456789ab"]);
    }
    assertEquals(of(`/machine.slice/libpod-${id}.scope/container`), [
      "To let it go on, run: podman unpause 0123456789ab",
    ]);
  });

  it("names systemctl for a unit, also of the user's manager", () => {
    assertEquals(of("/system.slice/a.service"), [
      "To thaw it, run: systemctl thaw a.service",
      "Or, where systemd did not freeze it: echo 0 > /cg/system.slice/a.service/cgroup.freeze",
    ]);
    const own = "/user.slice/user-7.slice/user@7.service/app.slice/run-u1.scope";
    assertEquals(of(own, 7)[0], "To thaw it, run: systemctl --user thaw run-u1.scope");
    assertEquals(
      of(own)[0],
      "To thaw it, run: systemctl --user --machine=7@ thaw run-u1.scope",
    );
    assertEquals(of("/user.slice", 7)[0], "To thaw it, run: sudo systemctl thaw user.slice");
  });

  it("names the file for any other cgroup, quoted when a shell would misread it", () => {
    assertEquals(of("/a"), ["To thaw it, run: echo 0 > /cg/a/cgroup.freeze"]);
    assertEquals(of("/a", 7, 1), [
      "To thaw it, run: echo THAWED | sudo tee /cg/a/freezer.state",
    ]);
    assertEquals(of("/$(id)'s"), [
      "To thaw it, run: echo 0 > '/cg/$(id)'\\''s/cgroup.freeze'",
    ]);
  });
});
