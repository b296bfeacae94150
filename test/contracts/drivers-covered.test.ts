import { readdirSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';

const here = new URL('./', import.meta.url);
const drivers = new URL('../../src/drivers/', here);
const folders = (of: URL): string[] =>
  readdirSync(of, { withFileTypes: true })
    .filter((it) => it.isDirectory())
    .map(({ name }) => name);

const built = folders(drivers).flatMap((port) =>
  folders(new URL(`${port}/`, drivers)).map((driver) => `${port}-${driver}`),
);

describe('every driver is held to the contract of its port', () => {
  const tests = new Set(readdirSync(here));

  it.each(built)('%s', (driver) => {
    expect([...tests]).toContain(`${driver}.test.ts`);
  });
});
