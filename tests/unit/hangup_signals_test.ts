import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { SIGCONT, SIGHUP } from "../../src/ffi/constants.ts";
import { hangupSignals } from "../../src/reptyr/move/session/hangup_signals.ts";

const NONE = { sigPending: 0n, sharedPending: 0n, sigBlocked: 0n, sigIgnored: 0n, sigCaught: 0n };
const bit = (signal: number) => 1n << BigInt(signal - 1);

describe("hangupSignals", () => {
  it("are the signals that the process would notice", () => {
    assertEquals(hangupSignals(NONE), [SIGHUP]);
    assertEquals(hangupSignals({ ...NONE, sigCaught: bit(SIGCONT) | bit(SIGHUP) }), [
      SIGHUP,
      SIGCONT,
    ]);
    assertEquals(hangupSignals({ ...NONE, sigIgnored: bit(SIGHUP) }), []);
  });

  it("include blocked signals, which stay queued", () => {
    const sigBlocked = bit(SIGHUP) | bit(SIGCONT);
    assertEquals(hangupSignals({ ...NONE, sigBlocked, sigIgnored: bit(SIGHUP) }), [
      SIGHUP,
      SIGCONT,
    ]);
  });

  it("exclude signals that were pending before", () => {
    const sigCaught = bit(SIGCONT);
    assertEquals(hangupSignals({ ...NONE, sigCaught, sharedPending: bit(SIGHUP) }), [SIGCONT]);
    assertEquals(hangupSignals({ ...NONE, sigCaught, sigPending: bit(SIGCONT) }), [SIGHUP]);
  });
});
