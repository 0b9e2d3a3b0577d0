import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ERRNO } from "../../src/ffi/errno.ts";
import { Channel } from "../../src/tty/channel.ts";

describe("Channel", () => {
  it("retries after EINTR, and distinguishes full, again and end", () => {
    const answers = [-ERRNO.EINTR, 3, -ERRNO.EAGAIN, 1 << 20, 0];
    const written: number[] = [];
    const takes = [-ERRNO.EINTR, 1, -ERRNO.EAGAIN, 2, -ERRNO.EPIPE];
    const channel = new Channel(
      0,
      1,
      (_fd, into) => Math.min(answers.shift()!, into.length),
      (_fd, from) => {
        const count = takes.shift()!;
        written.push(Math.min(count, from.length));
        return count;
      },
    );
    assertEquals([channel.fill(true), channel.pending], ["again", 3]);
    assertEquals([channel.drain(), channel.pending], ["again", 2]);
    assertEquals([channel.drain(), channel.pending], ["again", 0]);
    assertEquals([channel.fill(true), channel.pending], ["full", 1 << 16]);
    assertEquals(channel.drain(), "end");
    assertEquals(written, [-ERRNO.EINTR, 1, -ERRNO.EAGAIN, 2, -ERRNO.EPIPE]);
  });

  it("reads once, or until EAGAIN with fill(true)", () => {
    const answers = [-ERRNO.EINTR, 5, 7, -ERRNO.EAGAIN, 0];
    const channel = new Channel(0, 1, () => answers.shift()!, () => -ERRNO.EAGAIN);
    assertEquals([channel.fill(), channel.pending], ["again", 5]);
    assertEquals([channel.fill(true), channel.pending], ["again", 12]);
    assertEquals(channel.fill(), "end");
  });
});
