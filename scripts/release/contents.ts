/** What a release consists of, and where each part of it goes. Pure. */
import type { DocFile } from "../docs/mod.ts";
import { type Entry, gzip } from "./tar.ts";

export interface Target {
  readonly target: string;
  /** What `uname -m` says there; scripts/install.sh asks for it. */
  readonly machine: string;
  /** Debian's name of the architecture. */
  readonly debian: string;
  /** e_machine of its executables, elf(5). */
  readonly elfMachine: number;
}

export const TARGETS: readonly Target[] = [
  { target: "x86_64-unknown-linux-gnu", machine: "x86_64", debian: "amd64", elfMachine: 62 },
  { target: "aarch64-unknown-linux-gnu", machine: "aarch64", debian: "arm64", elfMachine: 183 },
];

export interface Parts {
  readonly version: string;
  readonly executable: Uint8Array;
  readonly docs: readonly DocFile[];
  readonly license: string;
  readonly readme: string;
  readonly changelog: string;
  /** Seconds since 1970 that everything bears. */
  readonly time: number;
}

const encode = (text: string) => new TextEncoder().encode(text);
const file = (path: string, bytes: Uint8Array, mode = 0o644): Entry => (
  { path, kind: "file", bytes, mode }
);

/** The entries of reptyr-VERSION-TARGET.tar.gz, all below one folder of that name. */
export function archiveEntries(parts: Parts, target: string): readonly Entry[] {
  const top = archiveName(parts.version, target);
  return [
    file(`${top}/reptyr`, parts.executable, 0o755),
    { path: `${top}/procout`, kind: "link", to: "reptyr" },
    file(`${top}/LICENSE`, encode(parts.license)),
    file(`${top}/README.md`, encode(parts.readme)),
    ...parts.docs.map(({ path, text }) => file(`${top}/${path}`, encode(text))),
  ];
}

export function archiveName(version: string, target: string): string {
  return `reptyr-${version}-${target}`;
}

/** Not `reptyr`: Debian has a package of that name, with higher version numbers. */
export const DEB_NAME = "reptyr-procout";

/** What stands below / once the package is installed: Debian Policy 9.1, 12.1 and 12.7. */
export function debEntries(parts: Parts): readonly Entry[] {
  const completions = "usr/share/bash-completion/completions";
  const doc = `usr/share/doc/${DEB_NAME}`;
  return [
    file("usr/bin/reptyr", parts.executable, 0o755),
    { path: "usr/bin/procout", kind: "link", to: "reptyr" },
    { path: `${completions}/procout`, kind: "link", to: "reptyr" },
    ...parts.docs.map(({ path, text }) => {
      const name = path.slice(path.lastIndexOf("/") + 1);
      if (path.startsWith("man/")) {
        return file(`usr/share/man/man1/${name}.gz`, gzip(encode(text), 9));
      }
      if (name.endsWith(".bash")) return file(`${completions}/reptyr`, encode(text));
      if (name.endsWith(".fish")) {
        return file(`usr/share/fish/vendor_completions.d/${name}`, encode(text));
      }
      return file(`usr/share/zsh/vendor-completions/${name}`, encode(text));
    }),
    file(`${doc}/copyright`, encode(debCopyright(parts.license))),
    file(`${doc}/changelog.Debian.gz`, gzip(encode(debChangelog(parts)), 9)),
    file(`${doc}/changelog.gz`, gzip(encode(parts.changelog), 9)),
    file(`usr/share/lintian/overrides/${DEB_NAME}`, encode(LINTIAN_OVERRIDES)),
  ];
}

const MAINTAINER = "the reptyr.ts authors <noreply@invalid.example>";

/** The version as Debian writes it: `1.0.0-rc.1` comes before `1.0.0`. */
export function debVersion(version: string): string {
  return `${version.replace("-", "~")}-1`;
}

function debChangelog({ version, time }: Parts): string {
  const date = new Date(time * 1000).toUTCString().replace("GMT", "+0000");
  return `${DEB_NAME} (${debVersion(version)}) unstable; urgency=medium

  * Release ${version}: changelog.gz says what is new.

 -- ${MAINTAINER}  ${date}
`;
}

/** strip(1) would cut off the program, which Deno keeps in a section of its own. The library is Deno's. */
const LINTIAN_OVERRIDES = `${DEB_NAME}: unstripped-binary-or-object [usr/bin/reptyr]
${DEB_NAME}: embedded-library lcms2 [usr/bin/reptyr]
`;

/** The oldest C library whose symbols the executable asks for; tests/e2e/servers_libc_test.ts compares. */
export const OLDEST_GLIBC = "2.27";

export function debControl(version: string, debian: string, installedKiB: number): string {
  return `Package: ${DEB_NAME}
Version: ${debVersion(version)}
Architecture: ${debian}
Maintainer: ${MAINTAINER}
Installed-Size: ${installedKiB}
Depends: libc6 (>= ${OLDEST_GLIBC}), libgcc-s1 | libgcc1
Conflicts: reptyr
Replaces: reptyr
Provides: reptyr
Section: utils
Priority: optional
Description: move running programs to another terminal, and see what they write
 reptyr moves a running process, with its whole job, to the terminal that it is
 called from: a long job that was started over ssh, say, into tmux or screen.
 .
 procout is the same program under another name, for the output of a process.
`;
}

function debCopyright(license: string): string {
  const [, holder = "the authors"] = /^Copyright \(c\) (.*)$/m.exec(license) ?? [];
  const indented = license.trim().split("\n").map((line) => line === "" ? " ." : ` ${line}`);
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: reptyr

Files: *
Copyright: ${holder}
License: Expat

Files: usr/bin/reptyr
Copyright: ${holder}
 the Deno authors
 the V8 project authors
License: Expat
Comment: The executable holds, besides the program, the runtime Deno with what it is made of, V8 among it.

License: Expat
${indented.join("\n")}
`;
}
