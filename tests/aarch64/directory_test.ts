/** The entry of the executable, in machine code: as tests/e2e/deleted_directory_test.ts, in short. */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { IN_DELETED, said } from "../support/deleted_directory.ts";
import { reptyrPath } from "../support/reptyr.ts";

describe("in a deleted working directory", () => {
  it("reptyr starts, and stays in the directory", () => {
    assertEquals(
      said([...IN_DELETED, reptyrPath, "procout", "-o", "file", "--", "true"]),
      {
        code: 1,
        stdout: "",
        stderr: "procout: Cannot write to file: no such file or directory\n",
      },
    );
  });
});
