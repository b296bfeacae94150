import type { Method, Route } from './route.ts';

/** One way to a route: its own path, or an alias. */
export interface Way {
  readonly method: Method;
  readonly path: string;
  readonly route: Route;
  readonly alias: boolean;
}

export const waysOf = (routes: readonly Route[]): Way[] =>
  routes
    .flatMap((route) => [
      { method: route.method, path: route.path, route, alias: false },
      ...(route.aliases ?? []).map((it) => ({ ...it, route, alias: true })),
    ])
    .sort((a, b) => compare(a.path, b.path));

/** Literal segments before parameters, whatever the order of definition: `/rooms/join/{id}` before `/rooms/{id}/read`. */
function compare(a: string, b: string): number {
  const [left, right] = [a.split('/'), b.split('/')];
  for (const [at, segment] of left.entries()) {
    const other = right[at] ?? '';
    if (isParameter(segment) !== isParameter(other)) return isParameter(segment) ? 1 : -1;
    if (segment !== other) return segment < other ? -1 : 1;
  }
  return left.length - right.length;
}

const isParameter = (segment: string): boolean => segment.startsWith('{');

export const expressPath = (path: string): string => path.replace(/\{(\w+)\}/g, ':$1');

/** The documented methods of whatever paths match, in the order in which they are documented. */
export function createMethodsOf(ways: readonly Way[]): (path: string) => string[] {
  const known = ways.map(({ method, path }) => ({
    method: method.toUpperCase(),
    pattern: new RegExp(`^${path.replace(/[.]/g, '\\.').replace(/\{\w+\}/g, '[^/]+')}/?$`),
  }));
  return (path) => [...new Set(known.filter((it) => it.pattern.test(path)).map((it) => it.method))];
}
