import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { randomNumbers } from '../../src/verify/random-numbers.ts';
import { startRedis } from '../support/engines.ts';
import { readMetrics, sumOf } from '../support/metrics.ts';
import { rest } from '../support/rest.ts';
import type { SpawnedServer } from '../support/spawn-server.ts';
import { TestBed } from '../support/test-bed.ts';
import { generatorFigures, logFigures, lossFigures, unlimited } from './harness/figures.ts';
import { assertWell } from './harness/judge.ts';
import { type Load, PRODUCTION_LOAD, STANDARD_LOAD } from './harness/load.ts';
import { monotonicMs } from './harness/monotonic-ms.ts';
import { HELD_PERCENT, LONG, PATIENCE } from './harness/patience.ts';
import { PlainCluster } from './harness/plain-cluster.ts';
import { quantile, spreadOf } from './harness/quantile.ts';
import { type FaultFigures, recordFigures } from './harness/record-figures.ts';
import { startEmbedded, startProduction } from './harness/set-ups.ts';
import { underLoad, underLoadPlain } from './harness/under-load.ts';

const KILLS = LONG ? 12 : 2;
const EVERY_MS = LONG ? 10_000 : 3000;
const REPLACED_MS = 20_000;
const SEED = Number(process.env.FAULTS_SEED ?? 1 + (Date.now() % 1_000_000));
const FAULT = `kill -9 of a random worker of 3, ${KILLS} times`;

const LIMIT = {
  backP95: 3000 * PATIENCE,
  backMax: 6000 * PATIENCE,
  othersMs: 500 * PATIENCE,
  replaced: 3000 * PATIENCE,
};

interface Cluster {
  /** Name → pid; waits until all of them take connections. */
  workers(): Promise<Map<string, number>>;
  /** Whether another process than these takes connections. */
  hasAnother(known: readonly number[]): Promise<boolean>;
}

/** Asked seldom: on two cores, asking takes time from the worker that starts. */
const LOOK_MS = 50;

const parley = (server: SpawnedServer): Cluster => ({
  workers: () => server.workers(),
  async hasAnother(known) {
    // Connections go round, so that it is its turn soon.
    const asked = rest<{ pid: number }>(server.url, 'GET /readyz');
    const answer = await asked.catch(() => undefined); // it was given to the one that died
    return answer?.status === 200 && !known.includes(answer.body.pid);
  },
});

const plainCluster = (plain: PlainCluster): Cluster => ({
  workers: () => plain.workers(),
  hasAnother: async (known) => [...(await plain.workers()).values()].some((it) => !known.includes(it)),
});

interface Seen {
  readonly kills: number;
  /** From each death until as many workers took connections as before. */
  readonly replacedMs: number[];
  /** Connections cut that the dead worker held, and others. */
  readonly cut: { own: number; others: number };
  /** From the death until its clients had caught up elsewhere. */
  readonly backMs: number[];
  /** Of receipts to clients that were not cut. */
  readonly othersAckMs: number[];
}

/** Kills one after the other, each when everybody is back from the last; resolves with what the clients saw of it. */
async function killWorkers(load: Load, cluster: Cluster): Promise<Seen> {
  const random = randomNumbers(SEED);
  const seen = { kills: 0, replacedMs: [] as number[], cut: { own: 0, others: 0 }, backMs: [] as number[] };
  const othersAckMs: number[] = [];
  let workers = await cluster.workers();
  await sleep(EVERY_MS / 2);
  for (; seen.kills < KILLS; seen.kills += 1) {
    const [node, pid] = [...workers][Math.floor(random() * workers.size)] ?? ['', 0];
    assert.ok(pid > 0);
    const at = monotonicMs();
    process.kill(pid, 'SIGKILL');
    const known = [...workers.values()];
    while (!(await cluster.hasAnother(known)) && monotonicMs() - at < REPLACED_MS) await sleep(LOOK_MS);
    seen.replacedMs.push(monotonicMs() - at);
    workers = await cluster.workers();
    assert.ok(![...workers.values()].includes(pid), 'void: the worker was not killed');
    await sleep(EVERY_MS - (monotonicMs() - at));
    await load.everybodyBack();

    const cuts = load.cuts.filter((it) => it.at >= at);
    const cut = new Set(cuts.map((it) => it.client));
    seen.cut.own += cuts.filter((it) => it.node === node).length;
    seen.cut.others += cuts.filter((it) => it.node !== node).length;
    seen.backMs.push(...load.backs.filter((it) => it.at >= at).map((it) => it.at - at));
    const acks = load.acksBetween(at, monotonicMs());
    othersAckMs.push(...acks.filter((it) => !cut.has(it.client)).map((it) => it.sinceDueMs));
  }
  return { ...seen, othersAckMs };
}

const told = ({ kills, replacedMs, cut, backMs, othersAckMs }: Seen) => ({
  run: 'R1',
  fault: FAULT,
  bite: `${kills} pids changed, ${cut.own} connections cut (seed ${SEED})`,
  clients: [
    {
      what: 'clients of the dead worker back and caught up',
      value: spreadOf(backMs),
      limit: `p95 <= ${LIMIT.backP95} ms, max <= ${LIMIT.backMax} ms`,
    },
    { what: 'clients of other workers cut', value: String(cut.others), limit: '0' },
    { what: 'receipts of the others', value: spreadOf(othersAckMs), limit: `p${HELD_PERCENT} <= ${LIMIT.othersMs} ms` },
    { what: 'the worker replaced', value: spreadOf(replacedMs), limit: `max <= ${LIMIT.replaced} ms` },
  ] satisfies FaultFigures['figures'],
});

describe(`R1: ${FAULT}`, () => {
  let bed: TestBed;
  beforeEach(() => {
    bed = new TestBed();
  });
  afterEach(() => bed.close(), 60_000);

  async function run(over: 'embedded' | 'production', server: SpawnedServer): Promise<void> {
    const size = over === 'embedded' ? STANDARD_LOAD : PRODUCTION_LOAD;
    const { load, result, verdict, seen } = await underLoad(bed, server, size, (it) => killWorkers(it, parley(server)));
    const { clients, ...head } = told(seen);
    const figures = [...lossFigures(verdict.losses, result), ...logFigures(verdict, load, result), ...clients];
    recordFigures({ ...head, over, figures: [...figures, ...generatorFigures(result)] });
    assertWell(verdict, result);
    assert.ok(seen.cut.own >= KILLS, 'void: too few connections were cut');
    assert.ok(quantile(seen.backMs, 0.95) <= LIMIT.backP95);
    assert.ok(quantile(seen.backMs, 1) <= LIMIT.backMax);
    assert.equal(seen.cut.others, 0);
    assert.ok(seen.othersAckMs.length > 0);
    assert.ok(quantile(seen.othersAckMs, HELD_PERCENT / 100) <= LIMIT.othersMs);
    assert.ok(quantile(seen.replacedMs, 1) <= LIMIT.replaced);
    assert.equal(sumOf(await readMetrics(server.url), 'parley_worker_deaths_total'), KILLS, 'others died, too');
  }

  it('embedded: nothing is lost, nobody else is cut, all are back in time', async () => {
    const { server } = await startEmbedded(bed);
    await run('embedded', server);
  }, 300_000);

  it('production: nothing is lost, nobody else is cut, all are back in time', async () => {
    const { server } = await startProduction(bed);
    await run('production', server);
  }, 300_000);

  it('plain Socket.IO with its Redis adapter loses messages under the same load, and the harness finds it', async () => {
    const redis = bed.own(await startRedis(), (it) => it.stop());
    const plain = await PlainCluster.start(bed, redis);
    const { result, losses, seen } = await underLoadPlain(bed, plain, STANDARD_LOAD, (it) =>
      killWorkers(it, plainCluster(plain)),
    );
    const { clients, ...head } = told(seen);
    recordFigures({
      ...head,
      over: 'plain',
      figures: unlimited([...lossFigures(losses, result), ...clients, ...generatorFigures(result)]),
    });
    assert.ok(seen.cut.own >= KILLS, 'void: too few connections were cut');
    assert.equal(plain.deaths, KILLS);
    assert.ok(losses.missed > 0, 'the harness finds no loss where there must be some');
  }, 300_000);
});
