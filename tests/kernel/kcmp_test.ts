/** The order that kcmp(2) tells of open file descriptions. */
import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { F_DUPFD_CLOEXEC, O_RDWR } from "../../src/ffi/constants.ts";
import { close, fcntl } from "../../src/ffi/descriptor.ts";
import { DescriptionIndex } from "../../src/reptyr/move/descriptors/description_index.ts";
import { orderOfDescriptions } from "../../src/reptyr/move/descriptors/kcmp.ts";
import { Pty } from "../../src/tty/pty.ts";

// What this loads within a test would be taken for a leak of that.
orderOfDescriptions(Deno.pid, 0, Deno.pid, 0);

const COUNT = 300;

describe("orderOfDescriptions", () => {
  it("distinguishes hundreds of descriptions of one terminal, and finds duplicates of each", () => {
    using cleanup = new DisposableStack();
    using pty = Pty.open();
    const toBeClosed = (fd: number): number => {
      assert(fd >= 0, `${fd}`);
      cleanup.defer(() => close(fd));
      return fd;
    };
    const opened = Array.from({ length: COUNT }, () => toBeClosed(pty.openSlave(O_RDWR)));
    const copies = opened.map((fd) => toBeClosed(fcntl(fd, F_DUPFD_CLOEXEC)));
    const index = new DescriptionIndex<number>(orderOfDescriptions);
    let count = 0;
    const find = (fd: number) => index.get(Deno.pid, fd, () => count++);
    const found = opened.map(find);
    assertEquals(new Set(found).size, COUNT);
    assertEquals(copies.map(find), found);
  });

  it("is unknown for a descriptor that is closed", () => {
    using pty = Pty.open();
    const fd = pty.openSlave(O_RDWR);
    assertEquals(orderOfDescriptions(Deno.pid, fd, Deno.pid, fd), "same");
    close(fd);
    assertEquals(orderOfDescriptions(Deno.pid, fd, Deno.pid, fd), "unknown");
  });
});
