import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Circumstances, type Facts, judge, standing } from "../../scripts/soak/judge.ts";
import {
  CALLS,
  COUNTED_SIGNAL,
  type Page,
  PAGE_SIZE,
  PAGES,
  parsePages,
  SIGUSR1,
} from "../../scripts/soak/page.ts";
import { Random } from "../../scripts/soak/random.ts";
import { errorText, harmText, Tally } from "../../scripts/soak/tally.ts";

const EPOLL_WAIT = CALLS.indexOf("epoll_wait");

function page(change: Partial<Page> = {}): Page {
  return {
    pid: 50,
    rounds: 1,
    corrupt: 0,
    signals: Array.from({ length: 65 }, () => 0),
    calls: CALLS.map(() => ({ returned: 1, interrupted: 0, failed: 0, error: 0 })),
    childStatus: undefined,
    ...change,
  };
}

function withCall(index: number, change: Partial<Page["calls"][number]>): Page {
  const { calls } = page();
  return page({ calls: calls.map((call, at) => at === index ? { ...call, ...change } : call) });
}

function withSignals(number: number, count: number): Page {
  return page({ signals: page().signals.map((was, at) => at === number ? count : was) });
}

function facts(change: Partial<Facts> = {}): Facts {
  return {
    pid: 50,
    page: page(),
    states: "SSR",
    tracers: [],
    masks: ["50: 0", "51: 200"],
    dispositions: "ignored 0 caught 200",
    files: [{ text: "3 pipe", closesOnExec: true }],
    terminals: ["/dev/pts/5"],
    terminalFds: 3,
    mappings: ["libc.so.6 rx"],
    hasTerminal: true,
    settings: "sane",
    ...change,
  };
}

const MOVED: Circumstances = {
  wasKilled: false,
  wasInBackground: false,
  place: "/dev/pts/5",
  sent: new Map(),
  isRestless: false,
};
const KILLED: Circumstances = { ...MOVED, wasKilled: true };
const sent = (number: number, count: number): Circumstances => ({
  ...MOVED,
  sent: new Map([[number, count]]),
});
const DEAD: Circumstances = { ...KILLED, place: "dead" };
const left = (count: number, closesOnExec = true) =>
  facts({
    files: [
      ...facts().files,
      ...Array.from({ length: count }, (_, index) => ({ text: `${index + 4} left`, closesOnExec })),
    ],
  });

/** What happened, what it was after, and whether that is harm, known or nothing. */
type Case = [string, Facts, Circumstances, RegExp | undefined, RegExp | undefined];

const CASES: Case[] = [
  ["nothing", facts(), MOVED, undefined, undefined],
  ["it ended", facts({ states: "" }), MOVED, /^died$/, undefined],
  ["it ended after a kill", facts({ states: "" }), KILLED, /^died$/, undefined],
  ["it stands still", facts({ states: "STS" }), KILLED, /^stuck stopped/, undefined],
  ["it is traced", facts({ tracers: [7] }), KILLED, /^tracer left: 7/, undefined],
  [
    "a call was interrupted",
    facts({ page: withCall(EPOLL_WAIT, { interrupted: 1 }) }),
    MOVED,
    /^stray EINTR: epoll_wait$/,
    undefined,
  ],
  [
    "a call was interrupted by a kill",
    facts({ page: withCall(EPOLL_WAIT, { interrupted: 1 }) }),
    KILLED,
    undefined,
    /^stray EINTR: epoll_wait$/,
  ],
  [
    "a call was interrupted by a stop in the background of its shell",
    facts({ page: withCall(EPOLL_WAIT, { interrupted: 1 }) }),
    { ...MOVED, wasInBackground: true },
    undefined,
    /^stray EINTR: epoll_wait$/,
  ],
  [
    "a call failed in the background of its shell",
    facts({ page: withCall(EPOLL_WAIT, { failed: 1, error: 9 }) }),
    { ...MOVED, wasInBackground: true },
    /./,
    undefined,
  ],
  [
    "a call failed",
    facts({ page: withCall(EPOLL_WAIT, { failed: 1, error: 9 }) }),
    KILLED,
    /^error 9: epoll_wait$/,
    undefined,
  ],
  [
    "its child",
    facts({ page: page({ childStatus: 11 }) }),
    KILLED,
    /^its child died.*0xb$/,
    undefined,
  ],
  ["registers", facts({ page: page({ corrupt: 1 }) }), KILLED, /^registers/, undefined],
  ["a signal was lost", facts(), sent(COUNTED_SIGNAL, 1), /^lost signal: 0 of 1/, undefined],
  [
    "a signal came twice",
    facts({ page: withSignals(COUNTED_SIGNAL, 2) }),
    sent(COUNTED_SIGNAL, 1),
    /^lost signal: 2 of 1/,
    undefined,
  ],
  [
    "signals were one",
    facts({ page: withSignals(SIGUSR1, 1) }),
    sent(SIGUSR1, 3),
    undefined,
    undefined,
  ],
  ["all were lost", facts(), sent(SIGUSR1, 3), /^lost signal: 0 of 3 SIGUSR1/, undefined],
  ["SIGHUP", facts({ page: withSignals(1, 1) }), MOVED, /^stray SIGHUP$/, undefined],
  ["SIGHUP at the end", facts({ page: withSignals(1, 1) }), DEAD, undefined, undefined],
  [
    "a mask",
    facts({ masks: ["50: 0", "51: fff"] }),
    KILLED,
    /^wrong mask: 51: 200 before, 51: fff now$/,
    undefined,
  ],
  ["a thread is gone", facts({ masks: ["50: 0"] }), MOVED, /no thread now$/, undefined],
  ["a handler", facts({ dispositions: "ignored 0" }), MOVED, /^wrong dispositions/, undefined],
  ["a descriptor is gone", facts({ files: [] }), KILLED, /^wrong fd: no 3 pipe$/, undefined],
  ["a descriptor was left", left(1), MOVED, /^fd left: 4 left$/, undefined],
  ["some were left by a kill", left(1), KILLED, undefined, /^fd left: 4 left$/],
  ["many were left by a kill", left(5), KILLED, /^fd left/, undefined],
  ["one was left that children get", left(1, false), KILLED, /^fd left/, undefined],
  [
    "on the old terminal",
    facts({ terminals: ["/dev/pts/4", "/dev/pts/5"] }),
    MOVED,
    /^wrong fd: \/dev\/pts\/4, not \/dev\/pts\/5$/,
    undefined,
  ],
  ["on none", facts({ terminals: [] }), KILLED, /^wrong fd: none on \/dev\/pts\/5$/, undefined],
  ["one of a terminal is gone", facts({ terminalFds: 2 }), KILLED, /^wrong fd: 1 of a/, undefined],
  [
    "a page was left",
    facts({ mappings: ["libc.so.6 rx", "anonymous rw"] }),
    MOVED,
    /^mapp/,
    undefined,
  ],
  [
    "a page was left by a kill",
    facts({ mappings: ["libc.so.6 rx", "anonymous rw"] }),
    KILLED,
    undefined,
    /^mapping left: anonymous rw$/,
  ],
  ["no terminal", facts({ hasTerminal: false }), MOVED, /^without controlling/, undefined],
  ["no terminal by a kill", facts({ hasTerminal: false }), KILLED, undefined, /^without contr/],
  [
    "settings",
    facts({ settings: "raw" }),
    KILLED,
    /^wrong settings: sane before, raw now$/,
    undefined,
  ],
];

describe("judge", () => {
  for (const [what, after, how, harm, known] of CASES) {
    it(`${what}: ${harm === undefined ? known === undefined ? "no harm" : "known" : "harm"}`, () => {
      const verdict = judge(facts(), after, how);
      assertMatches(verdict.harms, harm);
      assertMatches(verdict.known, known);
    });
  }

  it("descriptors that an earlier kill left open on a hung-up terminal are no new harm", () => {
    const terminals = ["/dev/pts/4 (deleted)", "/dev/pts/5"];
    const before = facts({ terminals, terminalFds: 4 });
    assertEquals(judge(before, before, MOVED), { harms: [], known: [] });
  });
});

function assertMatches(found: readonly string[], wanted: RegExp | undefined): void {
  assertEquals(found.length > 0, wanted !== undefined, found.join("\n"));
  if (wanted !== undefined) assert(found.every((one) => wanted.test(one)), found.join("\n"));
}

describe("standing", () => {
  it("names activities that have not gone on, except the wait for input", () => {
    const calls = page().calls.map((call, index) => ({ ...call, returned: index === 3 ? 1 : 2 }));
    assertEquals(standing(page(), page({ calls, rounds: 2 })), [CALLS[3]]);
    assertEquals(standing(page(), page({ calls })), [CALLS[3]!, "computing"]);
  });
});

describe("parsePages", () => {
  it("reads the pages of processes that have begun", () => {
    const words = new BigUint64Array(PAGES * PAGE_SIZE / 8);
    const at = PAGE_SIZE / 8;
    words.set([77n, 5n, 1n], at);
    words[at + 3 + SIGUSR1] = 4n;
    words.set([9n, 8n, 7n, 6n], at + 3 + 65 + 4);
    const pages = parsePages(new Uint8Array(words.buffer));
    assertEquals(pages.map(({ pid, rounds, corrupt }) => [pid, rounds, corrupt]), [[77, 5, 1]]);
    assertEquals(pages[0]!.signals[SIGUSR1], 4);
    assertEquals(pages[0]!.calls[1], { returned: 9, interrupted: 8, failed: 7, error: 6 });
  });
});

describe("Random", () => {
  it("gives the same numbers for the same seed and round, and other numbers for others", () => {
    const some = (seed: number, round: number) => {
      const random = new Random(seed, round);
      return Array.from({ length: 8 }, () => random.integer(0, 99)).join();
    };
    assertEquals(some(1, 1), some(1, 1));
    assertEquals(new Set([some(1, 1), some(1, 2), some(2, 1), some(0, 0)]).size, 4);
  });

  it("picks each element of a list sooner or later", () => {
    const random = new Random(1, 1);
    const picked = new Set(Array.from({ length: 200 }, () => random.pick([1, 2, 3])));
    assertEquals([...picked].sort(), [1, 2, 3]);
    assert(!random.chance(0) && random.chance(1));
  });
});

describe("Tally", () => {
  it("sums up, and says how to reproduce a harm", () => {
    const tally = new Tally();
    tally.count("rounds");
    tally.count("moves", 2);
    tally.count("kills");
    tally.count("kills: as before");
    tally.refused("Cannot move process 17: why");
    tally.refused("Cannot move process 18: why");
    tally.known("stray EINTR: recv");
    const harm = { seed: 3, round: 4, step: 5, subject: "plain", storm: "move", what: "died" };
    tally.harmed(harm);
    assertEquals(harmText(harm), "died - plain, step 5: move [--seed 3 --round 4]");
    assertEquals(tally.lines(), [
      "rounds   1",
      "moves    2",
      "kills    1  (1 as before)",
      "faults   0",
      "signals  0",
      "refused  2",
      "      2  Cannot move process N: why",
      "known    1",
      "      1  stray EINTR: recv",
      "harmed   1",
      "  died - plain, step 5: move [--seed 3 --round 4]",
    ]);
  });

  it("leaves out the screens that an error shows", () => {
    const message = 'Waited in vain\n|screen|\nand its output ended with "x"';
    assertEquals(errorText(new Error(message)), 'Waited in vain; and its output ended with "x"');
  });
});
