import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { databaseAt, type Engine, startMongodb, startRabbitmq, startRedis } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { rest } from '../support/rest.ts';
import { TestBed } from '../support/test-bed.ts';
import { recordFigures } from './harness/record-figures.ts';

const NAMED_MS = 10_000;
const READY_MS = 5000;
/** The broker itself needs a while from its port to its first connection. */
const BROKER_MS = 10_000;

const ENGINES: readonly {
  readonly part: 'store' | 'bus' | 'broker';
  readonly start: () => Promise<Engine>;
  readonly env: (it: Engine) => Record<string, string>;
}[] = [
  {
    part: 'store',
    start: startMongodb,
    env: ({ url }) => ({ MONGODB_URI: databaseAt(url, 'late') }),
  },
  { part: 'bus', start: startRedis, env: ({ url }) => ({ REDIS_URL: url }) },
  { part: 'broker', start: startRabbitmq, env: ({ url }) => ({ AMQP_URL: url }) },
];

interface Readiness {
  readonly reasons: readonly string[];
}

describe('R21: an engine that is not there at the start', () => {
  let bed: TestBed;
  beforeEach(() => {
    bed = new TestBed();
  });
  afterEach(() => bed.close(), 60_000);

  it.each(ENGINES)(
    '$part: alive, not ready, named; ready soon after its coming',
    async ({ part, start, env }) => {
      const engine = bed.own(await start(), (it) => it.stop());
      await engine.kill();
      const startedAt = performance.now();
      const server = await bed.server({ INSTANCES: '2', LOG: 'warn', ...env(engine) });
      const readiness = () => rest<Readiness>(server.url, 'GET /readyz');
      const { status: alive } = await rest(server.url, 'GET /livez');
      const { status, body } = await readiness();
      const namedMs = Math.round(performance.now() - startedAt);

      await engine.restart();
      const cameAt = performance.now();
      const limitMs = READY_MS + (part === 'broker' ? BROKER_MS : 0);
      await eventually('it is ready', async () => (await readiness()).status === 200, limitMs);
      const readyMs = Math.round(performance.now() - cameAt);
      await server.workers();

      recordFigures({
        run: `R21-${part}`,
        over: 'production',
        fault: `the ${part} is not there when the server starts, and comes later`,
        bite: `/livez ${alive}; /readyz ${status}: ${body.reasons.join(', ')}`,
        figures: [
          { what: 'named after the start', value: `${namedMs} ms`, limit: `<= ${NAMED_MS} ms` },
          { what: 'ready after its coming', value: `${readyMs} ms`, limit: `<= ${limitMs} ms` },
        ],
      });
      assert.deepEqual([alive, status, body.reasons], [200, 503, [part]]);
      assert.ok(namedMs <= NAMED_MS, `it was named after ${namedMs} ms`);
    },
    90_000,
  );
});
