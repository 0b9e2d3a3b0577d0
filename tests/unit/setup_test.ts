import { afterAll, afterEach, beforeAll, beforeEach, describe, it } from "@std/testing/bdd";
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { join } from "@std/path";
import {
  checkIntegrity,
  cutPinned,
  exportsOf,
  jsrMetadata,
  type PinnedFile,
  pins,
  replaceFolder,
  SetupError,
  sha256,
  targetPath,
  tarMember,
} from "../../scripts/setup.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const MEMBER = bytes("....hello....world");
const HELLO: PinnedFile = { to: "a/hello.ts", offset: 4, length: 5, sha256: sha256("hello") };
const WORLD: PinnedFile = { to: "a/world.ts", offset: 13, length: 5, sha256: sha256("world") };

/** A ustar archive; only the fields that set-up reads. */
function tar(files: { name: string; prefix?: string; content: string }[]): Uint8Array {
  const blocks = files.map(({ name, prefix = "", content }) => {
    const block = new Uint8Array(512 + Math.ceil(content.length / 512) * 512);
    block.set(bytes(name), 0);
    block.set(bytes(content.length.toString(8).padStart(11, "0") + "\0"), 124);
    block.set(bytes(prefix), 345);
    block.set(bytes(content), 512);
    return block;
  });
  return Uint8Array.from([...blocks, new Uint8Array(1024)].flatMap((block) => [...block]));
}

describe("cutPinned", () => {
  it("cuts files by offset and length", () => {
    assertEquals(cutPinned(MEMBER, [HELLO, WORLD]), [
      { to: "a/hello.ts", bytes: bytes("hello") },
      { to: "a/world.ts", bytes: bytes("world") },
    ]);
  });

  it("refuses one changed byte, naming file and both hashes", () => {
    const changed = MEMBER.slice();
    changed[14] = "0".charCodeAt(0);
    const error = assertThrows(() => cutPinned(changed, [HELLO, WORLD]), SetupError);
    assertEquals(
      error.message,
      `Cannot use pinned a/world.ts: its SHA-256 is ${sha256("w0rld")}, expected ${
        sha256("world")
      }`,
    );
  });

  it("refuses a byte range that the archive does not have", () => {
    const cut = MEMBER.subarray(0, MEMBER.length - 1);
    assertThrows(() => cutPinned(cut, [WORLD]), SetupError, "byte range is not in the archive");
  });
});

describe("checkIntegrity", () => {
  const integrity =
    "sha512-m3HSJL1i83hdltRq0+o9czGb+8KJDKra4t/3JRlnPKcjI8PZm6XBHXx6zG4UuMXaDEZjR1" +
    "wuXDre9G9zvN7AQw==";

  it("accepts the right checksum", () => checkIntegrity(bytes("hello"), integrity, "p@1"));

  it("refuses another checksum", () => {
    const error = assertThrows(() => checkIntegrity(bytes("hellp"), integrity, "p@1"), SetupError);
    assertMatch(error.message, /^Cannot use p@1: its integrity is sha512-.*, expected sha512-m3HS/);
  });
});

describe("tarMember", () => {
  const archive = tar([
    { name: "package/a", content: "x".repeat(513) },
    { name: "b", prefix: "package", content: "found" },
  ]);

  it("finds a member after others, also by its prefix", () => {
    assertEquals(tarMember(archive, "package/b"), bytes("found"));
    assertEquals(tarMember(archive, "package/a").length, 513);
  });

  it("refuses an archive that lacks it or is cut short", () => {
    assertThrows(() => tarMember(archive, "package/c"), SetupError, "Cannot find package/c");
    assertThrows(() => tarMember(archive.subarray(0, 700), "package/a"), SetupError, "Cannot find");
  });
});

describe("targetPath", () => {
  it("stays below the folder", () => {
    assertEquals(targetPath("/v", "a/./b.ts"), "/v/a/b.ts");
    assertEquals(targetPath("/v", "a/..b.ts"), "/v/a/..b.ts");
  });

  it("refuses a path that leads out of it", () => {
    for (const to of ["../x", "a/../../x", "/etc/x", "..", ".", "", "a/.."]) {
      assertThrows(() => targetPath("/v", to), SetupError, "leads out of /v");
    }
  });
});

describe("replaceFolder", () => {
  let parent = "";
  beforeEach(() => {
    parent = Deno.makeTempDirSync({ prefix: "reptyr-setup-test-" });
  });
  afterEach(() => Deno.removeSync(parent, { recursive: true }));

  it("puts exactly the new files in place of the old", () => {
    const folder = join(parent, "vendor");
    replaceFolder(folder, [{ to: "old.ts", bytes: bytes("old") }]);
    replaceFolder(folder, cutPinned(MEMBER, [HELLO, WORLD]));
    assertEquals([...Deno.readDirSync(folder)].map((entry) => entry.name), ["a"]);
    assertEquals(Deno.readTextFileSync(join(folder, "a/hello.ts")), "hello");
    assertEquals([...Deno.readDirSync(parent)].map((entry) => entry.name), ["vendor"]);
  });

  it("writes nothing when one path leads out", () => {
    const folder = join(parent, "vendor");
    replaceFolder(folder, [{ to: "old.ts", bytes: bytes("old") }]);
    const files = [{ to: "new.ts", bytes: bytes("new") }, { to: "../x", bytes: bytes("x") }];
    assertThrows(() => replaceFolder(folder, files), SetupError);
    assertEquals([...Deno.readDirSync(folder)].map((entry) => entry.name), ["old.ts"]);
    assertEquals([...Deno.readDirSync(parent)].map((entry) => entry.name), ["vendor"]);
  });

  it("writes nothing when one hash is wrong", () => {
    const folder = join(parent, "vendor");
    const wrong = { ...WORLD, sha256: sha256("other") };
    assertThrows(() => replaceFolder(folder, cutPinned(MEMBER, [HELLO, wrong])), SetupError);
    assertEquals([...Deno.readDirSync(parent)], []);
  });
});

describe("JSR metadata", () => {
  it("exports modules by JSR's names, and no private modules", () => {
    const files = ["mod.ts", "parse_args.ts", "posix/from_file_url.ts", "_os.ts", "_common/a.ts"];
    assertEquals(exportsOf(files), {
      ".": "./mod.ts",
      "./parse-args": "./parse_args.ts",
      "./posix/from-file-url": "./posix/from_file_url.ts",
    });
  });

  it("names version, size and checksum of each file of its package", () => {
    const files = jsrMetadata({ "@std/x": "1.2.3" }, [
      { to: "@std/x/1.2.3/mod.ts", bytes: bytes("hello") },
      { to: "@std/y/1.2.3/mod.ts", bytes: bytes("other") },
    ]);
    assertEquals(files.map((file) => file.to), ["@std/x/meta.json", "@std/x/1.2.3_meta.json"]);
    const [meta, version] = files.map((file) => JSON.parse(new TextDecoder().decode(file.bytes)));
    assertEquals(meta, { scope: "std", name: "x", latest: "1.2.3", versions: { "1.2.3": {} } });
    assertEquals(version, {
      manifest: { "/mod.ts": { size: 5, checksum: `sha256-${sha256("hello")}` } },
      exports: { ".": "./mod.ts" },
    });
  });
});

describe("setup_pins.json", () => {
  it("pins the versions that deno.json imports", () => {
    const config = Deno.readTextFileSync(new URL("../../deno.json", import.meta.url));
    const imports = [...config.matchAll(/"jsr:(@std\/\w+)@([^"]+)"/g)];
    assertEquals(imports.length, 5);
    for (const [, name, version] of imports) assertEquals(pins.versions[name!], version, name!);
  });

  it("has exact versions, well-formed hashes and paths that stay inside", () => {
    const files = pins.archives.flatMap((archive) => archive.files);
    assert(files.length > 100);
    assertEquals(new Set(files.map((file) => file.to)).size, files.length);
    for (const file of files) {
      assertMatch(file.sha256, /^[0-9a-f]{64}$/);
      assertEquals(targetPath("/v", file.to), `/v/${file.to}`);
    }
    for (const archive of pins.archives) assertMatch(archive.version, /^\d+\.\d+\.\d+$/);
  });
});

/** Either the real @std/testing/bdd or its stand-in, whichever vendor/ holds. */
describe("bdd", () => {
  const order: string[] = [];
  describe("outer", () => {
    beforeAll(() => void order.push("beforeAll"));
    beforeEach(() => void order.push("outer beforeEach"));
    afterEach(() => void order.push("outer afterEach"));
    afterAll(() => void order.push("afterAll"));
    describe("inner", () => {
      beforeEach(() => void order.push("inner beforeEach"));
      afterEach(() => void order.push("inner afterEach"));
      it("runs a test", () => {
        order.push("test");
        assertEquals(order.length, 4);
      });
    });
  });

  it("runs hooks from the outside in, and back", () => {
    assertEquals(order, [
      "beforeAll",
      "outer beforeEach",
      "inner beforeEach",
      "test",
      "inner afterEach",
      "outer afterEach",
      "afterAll",
    ]);
  });
});
