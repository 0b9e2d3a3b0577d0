/**
 * Stands in for @std/testing/bdd where only the npm registry answers: no npm package contains it.
 * An outermost describe or it is a Deno.test, and what is in a describe are its steps. Not built on
 * node:test, whose hooks Deno 2.7 lacks.
 */
type Body = (t: Deno.TestContext) => void | Promise<void>;
type Case = { name: string; ignore?: boolean; fn: Body };
type HookBody = () => void | Promise<void>;
type Group = { cases: Case[]; outer: Group | undefined; hooks: Record<string, HookBody[]> };
let current: Group | undefined;

function add(test: Case): void {
  if (current === undefined) Deno.test(test);
  else current.cases.push(test);
}

async function runHooks(group: Group | undefined, hook: string): Promise<void> {
  for (const body of group?.hooks[hook] ?? []) await body();
}

function addTest(test: Case): void {
  const groups: Group[] = [];
  for (let group = current; group !== undefined; group = group.outer) groups.push(group);
  const fn = async (t: Deno.TestContext) => {
    for (const group of groups.toReversed()) await runHooks(group, "beforeEach");
    try {
      await test.fn(t);
    } finally {
      for (const group of groups) await runHooks(group, "afterEach");
    }
  };
  add({ ...test, fn });
}

function addGroup(name: string, ignore: boolean, define: () => void): void {
  const group: Group = { cases: [], outer: current, hooks: {} };
  current = group;
  try {
    define();
  } finally {
    current = group.outer;
  }
  const fn = async (t: Deno.TestContext) => {
    await runHooks(group, "beforeAll");
    try {
      for (const test of group.cases) await t.step(test);
    } finally {
      await runHooks(group, "afterAll");
    }
  };
  add({ name, ignore, fn });
}

function addHook(hook: string): (body: HookBody) => void {
  return (body) => {
    if (current === undefined) throw new Error(hook + " stands outside of describe");
    (current.hooks[hook] ??= []).push(body);
  };
}

const skipTest = (name: string, fn: Body): void => addTest({ name, ignore: true, fn });
const skipGroup = (name: string, fn: () => void): void => addGroup(name, true, fn);
export const it = Object.assign(
  (test: string | Case, fn: Body = () => {}): void =>
    addTest(typeof test === "string" ? { name: test, fn } : test),
  { skip: skipTest, ignore: skipTest },
);
export const describe = Object.assign(
  (name: string, fn: () => void): void => addGroup(name, false, fn),
  { skip: skipGroup, ignore: skipGroup },
);
export const beforeAll = addHook("beforeAll");
export const afterAll = addHook("afterAll");
export const beforeEach = addHook("beforeEach");
export const afterEach = addHook("afterEach");
