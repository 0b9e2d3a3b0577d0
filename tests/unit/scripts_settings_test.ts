import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ECHO, ECHONL, ICANON, ISIG, ONLCR, OPOST } from "../../src/ffi/constants.ts";
import { ERRNO } from "../../src/ffi/errno.ts";
import { DroppedOutput, lostOutput } from "../../src/reptyr/serve/lost_output.ts";
import { plainTermios, rawTermios, saneTermios } from "../../src/tty/settings.ts";

describe("the settings of a terminal for a script", () => {
  it("have no echo and no carriage returns, and are otherwise the same", () => {
    const sane = saneTermios().set("c_lflag", saneTermios().get("c_lflag") | ECHONL);
    const before = sane.bytes.slice();
    const plain = plainTermios(sane, { noEcho: true, noReturns: true });
    assertEquals(plain.get("c_lflag"), sane.get("c_lflag") & ~(ECHO | ECHONL));
    assertEquals(plain.get("c_oflag"), sane.get("c_oflag") & ~ONLCR);
    plain.set("c_lflag", sane.get("c_lflag")).set("c_oflag", sane.get("c_oflag"));
    assertEquals(plain.bytes, before);
    assertEquals(sane.bytes, before);
  });

  it("are the target's own when nothing is asked for", () => {
    const sane = saneTermios();
    assertEquals(plainTermios(sane, { noEcho: false, noReturns: false }).bytes, sane.bytes);
  });

  it("keep the output settings of a terminal that only receives input", () => {
    const raw = rawTermios(saneTermios(), true);
    assertEquals(raw.get("c_oflag"), OPOST | ONLCR);
    assertEquals(raw.get("c_lflag") & (ECHO | ICANON | ISIG), 0);
  });
});

describe("lostOutput()", () => {
  it("is quiet, with the status of SIGPIPE, when the reader has enough", () => {
    assertEquals(lostOutput(ERRNO.EPIPE), { status: 141, message: undefined });
    assertEquals(lostOutput(undefined), { status: 141, message: undefined });
  });

  it("names any other reason", () => {
    assertEquals(lostOutput(ERRNO.ENOSPC), {
      status: 1,
      message: "cannot write standard output: no space left on device (ENOSPC)",
    });
  });
});

describe("DroppedOutput", () => {
  it("names the reason once, and the number of bytes at the end", () => {
    const lines: string[] = [];
    const dropped = new DroppedOutput((line) => lines.push(line));
    dropped.drop(ERRNO.ENOSPC, 5);
    dropped.drop(ERRNO.EDQUOT, 7);
    dropped.end();
    assertEquals(lines, [
      "cannot write standard output: no space left on device (ENOSPC); " +
      "output is dropped until it takes bytes again",
      "12 bytes of output were dropped",
    ]);
  });

  it("says nothing when nothing was dropped", () => {
    const lines: string[] = [];
    new DroppedOutput((line) => lines.push(line)).end();
    assertEquals(lines, []);
  });
});
