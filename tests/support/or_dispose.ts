/** The result of `use`. When `use` throws, nobody gets `resource`, so it is disposed of first. */
export function orDispose<T>(resource: Disposable, use: () => T): T {
  using stack = new DisposableStack();
  stack.use(resource);
  const result = use();
  stack.move();
  return result;
}
