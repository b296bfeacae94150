import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { type Engine, startRedis } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { readMetrics, rssOf, sumOf } from '../support/metrics.ts';
import { rest } from '../support/rest.ts';
import type { SpawnedServer } from '../support/spawn-server.ts';
import { TestBed } from '../support/test-bed.ts';
import { generatorFigures, logFigures, lossFigures, unlimited } from './harness/figures.ts';
import { assertWell } from './harness/judge.ts';
import { type Load, type LoadResult, PRODUCTION_LOAD, STANDARD_LOAD } from './harness/load.ts';
import { monotonicMs } from './harness/monotonic-ms.ts';
import { HELD_PERCENT, LONG, PATIENCE } from './harness/patience.ts';
import { PlainCluster } from './harness/plain-cluster.ts';
import { quantile, spreadOf } from './harness/quantile.ts';
import { recordFigures } from './harness/record-figures.ts';
import { startProduction } from './harness/set-ups.ts';
import { underLoad, underLoadPlain } from './harness/under-load.ts';

const AWAY_MS = LONG ? [5000, 90_000] : [5000];
const SETTLE_MS = LONG ? 5000 : 3000;
/** A worker that has just started grows by itself in its first minute, whether Redis is there or not. */
const WARM_UP_MS = LONG ? 60_000 : 1500;
const FAULT = `kill -9 of Redis, back after ${AWAY_MS.map((it) => `${it / 1000} s`).join(', then after ')}`;
const LIMIT = {
  receipts: 500 * PATIENCE,
  meanwhile: 2000 * PATIENCE,
  afterReturn: 3000 * PATIENCE,
  moreMib: 50,
};

interface Outage {
  readonly from: number;
  readonly to: number;
}

interface Seen {
  readonly outages: readonly Outage[];
  readonly pids: ReadonlySet<number>;
}

/** Kills Redis for each of the times. */
async function takeRedisAway(redis: Engine, meanwhile: () => Promise<unknown>): Promise<Seen> {
  const outages: Outage[] = [];
  const pids = new Set([redis.pid]);
  for (const ms of AWAY_MS) {
    await redis.kill();
    const from = monotonicMs();
    await meanwhile();
    await sleep(ms - (monotonicMs() - from));
    await redis.restart();
    pids.add(redis.pid);
    outages.push({ from, to: monotonicMs() });
    await sleep(SETTLE_MS);
  }
  return { outages, pids };
}

/** Live messages over another worker that should have been sent while Redis was away. */
function fromElsewhere({ journals }: LoadResult, outages: readonly Outage[]) {
  const lateMs: number[] = [];
  const afterReturnMs: number[] = [];
  for (const [at, sinceDueMs, isFromElsewhere] of journals.flatMap((it) => it.deliveries)) {
    const outage = outages.find(({ from, to }) => at - sinceDueMs >= from && at - sinceDueMs < to);
    if (!isFromElsewhere || !outage) continue;
    lateMs.push(sinceDueMs);
    afterReturnMs.push(Math.max(0, at - outage.to));
  }
  return { lateMs, afterReturnMs };
}

const acksOf = (load: Load, outages: readonly Outage[]): number[] =>
  outages.flatMap(({ from, to }) => load.acksBetween(from, to).map((it) => it.sinceDueMs));

/** Resident memory of each process, once a second. */
function watchMemory(bed: TestBed, pids: readonly number[]): { more(): number } {
  const before = pids.map(rssOf);
  const most = [...before];
  const look = (): void => {
    for (const [n, pid] of pids.entries()) most[n] = Math.max(most[n] ?? 0, rssOf(pid));
  };
  const timer = bed.own(setInterval(look, 1000), (it) => clearInterval(it));
  return {
    more: () => {
      clearInterval(timer);
      return Math.max(...most.map((it, n) => it - (before[n] ?? 0)));
    },
  };
}

async function seesThatTheBusIsAway({ url }: SpawnedServer): Promise<void> {
  await eventually('it is seen that the bus is away', async () => {
    const { body } = await rest<{ degraded?: readonly string[] }>(url, 'GET /readyz');
    return body.degraded?.includes('bus');
  });
}

describe(`R4: ${FAULT}`, () => {
  let bed: TestBed;
  beforeEach(() => {
    bed = new TestBed();
  });
  afterEach(() => bed.close(), 60_000);

  it('production: no worker dies, receipts go on, others hear out of the store, nothing is lost', async () => {
    const { server, redis } = await startProduction(bed);
    const { load, result, verdict, seen } = await underLoad(bed, server, PRODUCTION_LOAD, async () => {
      await sleep(WARM_UP_MS);
      const memory = watchMemory(bed, server.workerPids());
      const away = await takeRedisAway(redis, () => seesThatTheBusIsAway(server));
      return { ...away, moreMib: memory.more() };
    });
    const { outages, pids, moreMib } = seen;
    const deaths = sumOf(await readMetrics(server.url), 'parley_worker_deaths_total');
    const { lateMs, afterReturnMs } = fromElsewhere(result, outages);
    const ackMs = acksOf(load, outages);
    recordFigures({
      run: 'R4',
      over: 'production',
      fault: FAULT,
      bite: `${pids.size - 1} pids changed, /readyz said that the bus was away`,
      figures: [
        ...lossFigures(verdict.losses, result),
        ...logFigures(verdict, load, result),
        { what: 'workers that died', value: String(deaths), limit: '0' },
        { what: 'connections cut', value: String(load.cuts.length), limit: '0' },
        {
          what: 'receipts while it was away',
          value: spreadOf(ackMs),
          limit: `p${HELD_PERCENT} <= ${LIMIT.receipts} ms`,
        },
        {
          what: 'messages of other workers while it was away',
          value: spreadOf(lateMs),
          limit: `max <= ${LIMIT.meanwhile} ms`,
        },
        {
          what: 'the last of them, after its return',
          value: `${Math.round(quantile(afterReturnMs, 1))} ms`,
          limit: `<= ${LIMIT.afterReturn} ms`,
        },
        {
          what: 'memory of the worker that grew most',
          value: `+${moreMib.toFixed(0)} MiB`,
          limit: `+${LIMIT.moreMib}`,
        },
        ...generatorFigures(result),
      ],
    });
    assertWell(verdict, result);
    assert.equal(pids.size, AWAY_MS.length + 1, 'void: Redis was not killed');
    assert.equal(deaths, 0);
    assert.equal(load.cuts.length, 0);
    assert.ok(ackMs.length > 0 && lateMs.length > 0);
    assert.ok(quantile(ackMs, HELD_PERCENT / 100) <= LIMIT.receipts);
    assert.ok(quantile(lateMs, 1) <= LIMIT.meanwhile);
    assert.ok(quantile(afterReturnMs, 1) <= LIMIT.afterReturn);
    assert.ok(moreMib <= LIMIT.moreMib);
  }, 420_000);

  it('plain Socket.IO, with maxRetriesPerRequest 1, loses messages and workers, and the harness finds it', async () => {
    const redis = bed.own(await startRedis(), (it) => it.stop());
    const plain = await PlainCluster.start(bed, redis, 1);
    const { load, result, losses, seen } = await underLoadPlain(bed, plain, STANDARD_LOAD, async () => {
      await sleep(SETTLE_MS);
      return takeRedisAway(redis, async () => {});
    });
    const { outages, pids } = seen;
    const { lateMs } = fromElsewhere(result, outages);
    recordFigures({
      run: 'R4',
      over: 'plain',
      fault: `${FAULT}; maxRetriesPerRequest 1`,
      bite: `${pids.size - 1} pids changed`,
      figures: unlimited([
        ...lossFigures(losses, result),
        { what: 'workers that died', value: String(plain.deaths) },
        { what: 'connections cut', value: String(load.cuts.length) },
        { what: 'receipts while it was away', value: spreadOf(acksOf(load, outages)) },
        { what: 'messages of other workers while it was away', value: spreadOf(lateMs) },
        ...generatorFigures(result),
      ]),
    });
    assert.equal(pids.size, AWAY_MS.length + 1, 'void: Redis was not killed');
    assert.ok(losses.missed > 0, 'the harness finds no loss where there must be some');
    assert.ok(plain.deaths > 0, 'the harness finds no death where there must be one');
  }, 420_000);
});
