import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';

/**
 * Versions below these have holes that reach this server, directly or through what brings them along. What is there for
 * development only is never started where others could reach it.
 */
const FLOORS: Readonly<Record<string, string>> = {
  'engine.io': '6.6.10',
  'socket.io-parser': '4.2.7',
  'socket.io': '4.6.2',
  '@socket.io/cluster-engine': '0.1.1',
  ws: '8.21.0',
  mongoose: '9.9.2',
  amqplib: '2.3.0',
  'body-parser': '2.3.0',
  qs: '6.14.1',
  'path-to-regexp': '8.4.2',
};

/** These are part of the server: a lock file without them is not ours. */
const PRESENT = ['engine.io', 'socket.io-parser', 'socket.io', 'ws', 'body-parser', 'qs', 'path-to-regexp'];

interface Installed {
  readonly dev?: boolean;
  readonly version?: string;
  readonly resolved?: string;
}

const text = readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8');
const lock: { packages: Record<string, Installed> } = JSON.parse(text);
const installed = Object.entries(lock.packages).map(([path, it]) => ({
  name: path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length),
  path,
  version: it.version ?? '',
  isServer: it.dev !== true,
}));

function isAtLeast(version: string, floor: string): boolean {
  const [numbers = '', preview] = version.split('-', 2);
  const have = numbers.split('.').map(Number);
  const need = floor.split('.').map(Number);
  for (const [at, least] of need.entries()) {
    const part = have[at] ?? 0;
    if (part !== least) return part > least;
  }
  return preview === undefined;
}

describe('package-lock.json', () => {
  it.each(Object.entries(FLOORS))('has no %s below %s', (name, floor) => {
    const found = installed.filter((it) => it.name === name && it.isServer);
    if (PRESENT.includes(name)) expect(found).not.toEqual([]);
    expect(found.filter((it) => !isAtLeast(it.version, floor))).toEqual([]);
  });

  it('compares versions by number', () => {
    const cases: [string, string, boolean][] = [
      ['6.6.10', '6.6.10', true],
      ['6.6.9', '6.6.10', false],
      ['6.10.0', '6.6.10', true],
      ['5.9.9', '6.0.0', false],
      ['7.0.0', '6.6.10', true],
      ['6.6.10-rc.1', '6.6.10', false],
    ];
    for (const [version, floor, is] of cases) expect([version, isAtLeast(version, floor)]).toEqual([version, is]);
  });

  it('carries no download addresses', () => {
    expect(Object.values(lock.packages).filter((it) => it.resolved !== undefined)).toEqual([]);
    expect(text).not.toMatch(/"resolved"|https?:\/\/[^"]*\.tgz/);
  });
});
