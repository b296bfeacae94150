/**
 * `target` with some of its methods in other hands. The rest runs on `target` itself, so that it may be a class with
 * private fields, of which no copy could be made.
 */
export function overlay<T extends object>(target: T, others: Partial<T>): T {
  const bound = new Map<PropertyKey, unknown>();
  return new Proxy(target, {
    get(_target, name) {
      if (bound.has(name)) return bound.get(name);
      const own: unknown = Reflect.get(others, name);
      const found: unknown = own ?? Reflect.get(target, name, target);
      if (typeof found !== 'function') return found;
      const method: unknown = own === undefined ? found.bind(target) : found;
      bound.set(name, method);
      return method;
    },
  });
}
