import { assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { explainInstallFailure, installFolder, pathNotes } from "../../src/cli/install_text.ts";
import { RefusedError } from "../../src/errors.ts";

describe("installFolder", () => {
  const right: [string, Parameters<typeof installFolder>, string][] = [
    ["what was named", ["x/y", true, "/root"], "x/y"],
    ["/usr/local/bin for root", [undefined, true, "/root"], "/usr/local/bin"],
    ["/usr/local/bin for root without HOME", [undefined, true, undefined], "/usr/local/bin"],
    ["~/.local/bin for others", [undefined, false, "/home/a/"], "/home/a/.local/bin"],
    ["~/.local/bin where home is the root", [undefined, false, "/"], "/.local/bin"],
  ];
  for (const [name, args, expected] of right) {
    it(`takes ${name}`, () => assertEquals(installFolder(...args), expected));
  }
  for (const home of [undefined, "", "relative"]) {
    it(`names no folder with HOME=${home}`, () => {
      assertThrows(() => installFolder(undefined, false, home), RefusedError, "HOME is not set");
    });
  }
});

describe("pathNotes", () => {
  const none = () => false;
  it("says nothing about a folder on PATH", () => {
    assertEquals(pathNotes("/a/bin", "/usr/bin:/a/bin:/bin", none), []);
  });
  it("finds a folder that PATH names with a slash at its end", () => {
    assertEquals(pathNotes("/a/bin", "/a/bin//", none), []);
  });
  for (const path of ["", "/usr/bin:/a/binary", "/a"]) {
    it(`says that a folder is not on PATH=${path}`, () => {
      assertEquals(pathNotes("/a/bin", path, none), [
        '/a/bin is not on PATH. Run: export PATH="/a/bin:$PATH"',
      ]);
    });
  }
  it("names another reptyr that comes first, and none that comes later", () => {
    const holds = (path: string) => path === "/usr/bin/reptyr";
    assertEquals(pathNotes("/a", "/bin:/usr/bin:/a", holds), [
      "Another one comes first on PATH: /usr/bin/reptyr",
    ]);
    assertEquals(pathNotes("/a", "/bin:/a:/usr/bin", holds), []);
  });
});

describe("explainInstallFailure", () => {
  const failed = (code: string) => Object.assign(new Error("os error"), { code });
  const lines = (code: string, wanted: string | undefined, isRoot: boolean) => {
    const error = explainInstallFailure(failed(code), "/a b", wanted, isRoot);
    assertInstanceOf(error, RefusedError);
    return [error.message, ...error.remedies];
  };
  it("says how to make a missing folder", () => {
    assertEquals(lines("ENOENT", "/a b", true), [
      "Cannot install into /a b: there is no such folder",
      "Run: mkdir -p '/a b'",
    ]);
  });
  it("sends a user to sudo or to a folder of his own", () => {
    assertEquals(lines("EACCES", "/a b", false), [
      "Cannot install into /a b: permission denied",
      'Run it with sudo, or name a folder of yours: reptyr --install="$HOME/.local/bin"',
    ]);
  });
  it("does not send root to sudo", () => {
    assertEquals(lines("EPERM", "/a b", true)[1], "Name another folder: reptyr --install=DIR");
  });
  it("leaves an error as it is that is not the kernel's", () => {
    const error = new RefusedError("as it is");
    assertStrictEquals(explainInstallFailure(error, "/a", undefined, true), error);
  });
});
