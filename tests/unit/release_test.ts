import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { gunzipSync } from "node:zlib";
import {
  archiveEntries,
  debControl,
  debEntries,
  debVersion,
  type Parts,
  TARGETS,
} from "../../scripts/release/contents.ts";
import { docFiles } from "../../scripts/docs/mod.ts";
import { releaseNotes } from "../../scripts/release/notes.ts";
import { type Entry, gzip, tar } from "../../scripts/release/tar.ts";
import { tarMember } from "../../scripts/setup.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const file = (path: string, text: string, mode = 0o644): Entry => (
  { path, kind: "file", bytes: bytes(text), mode }
);

describe("tar", () => {
  const entries: Entry[] = [
    file("top/b", "x".repeat(513), 0o755),
    { path: "top/a/link", kind: "link", to: "../b" },
    file("top/a/empty", ""),
  ];
  it("holds its entries, in whole blocks", () => {
    const archive = tar(entries, 7);
    assertEquals(archive.length % 512, 0);
    assertEquals(tarMember(archive, "top/b"), bytes("x".repeat(513)));
    assertEquals(tarMember(archive, "top/a/empty"), bytes(""));
  });
  it("is the same for any order of the entries, and different for another time", () => {
    assertEquals(tar(entries.toReversed(), 7), tar(entries, 7));
    assertNotEquals(tar(entries, 8), tar(entries, 7));
  });
  it("refuses a path that the format cannot hold", () => {
    assertThrows(() => tar([file("x".repeat(101), "")], 0), RangeError, "too long");
    tar([file("x".repeat(100), "")], 0);
  });
});

describe("gzip", () => {
  it("holds neither name nor time, and names Unix as its system", () => {
    const zipped = gzip(bytes("text"));
    assertEquals([...zipped.slice(3, 8)], [0, 0, 0, 0, 0]);
    assertEquals(zipped[9], 3);
    assertEquals(new Uint8Array(gunzipSync(zipped)), bytes("text"));
  });
});

describe("the files of a release", () => {
  const parts: Parts = {
    version: "1.2.3-rc.1",
    executable: bytes("executable"),
    docs: docFiles({ version: "1.2.3-rc.1", date: "2026-01-31" }),
    license: "Title\n\nCopyright (c) 2026 somebody\n\nText.\n",
    readme: "Readme",
    changelog: "Changes",
    time: 0,
  };
  const paths = (entries: readonly Entry[]) => entries.map(({ path }) => path).sort();

  it("are in an archive below one folder", () => {
    const top = "reptyr-1.2.3-rc.1-x86_64-unknown-linux-gnu";
    assertEquals(paths(archiveEntries(parts, "x86_64-unknown-linux-gnu")), [
      `${top}/LICENSE`,
      `${top}/README.md`,
      `${top}/completions/_reptyr`,
      `${top}/completions/procout.fish`,
      `${top}/completions/reptyr.bash`,
      `${top}/completions/reptyr.fish`,
      `${top}/man/procout.1`,
      `${top}/man/reptyr.1`,
      `${top}/procout`,
      `${top}/reptyr`,
    ]);
  });

  it("are in a package at the paths of Debian policy", () => {
    assertEquals(paths(debEntries(parts)), [
      "usr/bin/procout",
      "usr/bin/reptyr",
      "usr/share/bash-completion/completions/procout",
      "usr/share/bash-completion/completions/reptyr",
      "usr/share/doc/reptyr-procout/changelog.Debian.gz",
      "usr/share/doc/reptyr-procout/changelog.gz",
      "usr/share/doc/reptyr-procout/copyright",
      "usr/share/fish/vendor_completions.d/procout.fish",
      "usr/share/fish/vendor_completions.d/reptyr.fish",
      "usr/share/lintian/overrides/reptyr-procout",
      "usr/share/man/man1/procout.1.gz",
      "usr/share/man/man1/reptyr.1.gz",
      "usr/share/zsh/vendor-completions/_reptyr",
    ]);
    const copyright = debEntries(parts).find(({ path }) => path.endsWith("/copyright"));
    assert(copyright?.kind === "file");
    const text = new TextDecoder().decode(copyright.bytes);
    assert(text.includes("Copyright: 2026 somebody\n"));
    assert(text.includes("\n .\n Text.\n"));
  });

  it("have a pre-release version that Debian sorts before the final one", () => {
    assertEquals(debVersion("1.2.3-rc.1"), "1.2.3~rc.1-1");
    assertEquals(debVersion("1.2.3"), "1.2.3-1");
  });

  it("replace Debian's package", () => {
    for (const { debian } of TARGETS) {
      const control = debControl("1.2.3", debian, 5);
      for (const field of ["Conflicts: reptyr", "Replaces: reptyr", `Architecture: ${debian}`]) {
        assert(control.includes(`\n${field}\n`), field);
      }
    }
  });
});

describe("releaseNotes", () => {
  const changelog =
    "# Changelog\n\n## Unreleased\n\n- New.\n\n## 1.2.3 - 2026-01-31\n\n- A.\n- B.\n" +
    "\n## [1.2.2]\n\n- Old.\n\n## 1.2\n";
  it("are the section of the version", () => {
    assertEquals(releaseNotes(changelog, "1.2.3"), "- A.\n- B.\n");
    assertEquals(releaseNotes(changelog, "1.2.2"), "- Old.\n");
  });
  for (const version of ["1.2", "1.2.4", "2.3", ""]) {
    it(`are missing for '${version}'`, () => {
      assertEquals(releaseNotes(changelog, version), undefined);
    });
  }
});
