import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { parsePasswd, readUsers } from "../../src/proc/users.ts";

describe("parsePasswd", () => {
  it("keeps the first name of an id, and ignores lines that are not of passwd(5)", () => {
    const text = "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\n\n+::::::\n" +
      "alice:x:1000:1000::/home/alice:/bin/sh\nbad:x:no:1::/:/bin/sh\nevil\x1b[2J:x:7:7::/:/\n";
    assertEquals(
      [...parsePasswd(text)],
      [[0, "root"], [1000, "alice"], [7, "evil\\x1b[2J"]],
    );
  });
});

describe("readUsers", () => {
  it("finds root", () => assertEquals(readUsers().get(0), "root"));
});
