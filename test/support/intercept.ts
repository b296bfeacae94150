/** Stands before every method of `target`: `before` is told its name and may wait, fail, or answer in its place. */
export function intercept<T extends object>(
  target: T,
  before: (method: keyof T, run: () => unknown, args: readonly unknown[]) => unknown,
): T {
  return new Proxy(target, {
    get: (_, name) => {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]): unknown => before(name as keyof T, () => Reflect.apply(member, target, args), args);
    },
  });
}
