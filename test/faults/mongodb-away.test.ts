import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, it } from '@jest/globals';
import { readMetrics, sumOf } from '../support/metrics.ts';
import { rest } from '../support/rest.ts';
import type { SpawnedServer } from '../support/spawn-server.ts';
import { TestBed } from '../support/test-bed.ts';
import { generatorFigures, logFigures, lossFigures } from './harness/figures.ts';
import { assertWell } from './harness/judge.ts';
import { type Load, PRODUCTION_LOAD } from './harness/load.ts';
import { monotonicMs } from './harness/monotonic-ms.ts';
import { LONG, PATIENCE } from './harness/patience.ts';
import type { PreparedChat } from './harness/prepare-chat.ts';
import { quantile, spreadOf } from './harness/quantile.ts';
import { recordFigures } from './harness/record-figures.ts';
import { startProduction } from './harness/set-ups.ts';
import { underLoad } from './harness/under-load.ts';

const AWAY_MS = LONG ? 30_000 : 8000;
const SETTLE_MS = LONG ? 5000 : 3000;
const READ_EVERY_MS = 300;
/** A receipt of what was stored just before may still be on its way. */
const UNDER_WAY_MS = 250;
const FAULT = `MongoDB away ${AWAY_MS / 1000} s by kill -9, then as long by SIGSTOP`;
const LIMIT = { answered: 5000 * PATIENCE, firstReceipt: 3000 * PATIENCE };

interface Read {
  readonly at: number;
  readonly tookMs: number;
  readonly status: number;
  readonly retryAfter: number;
}

interface Seen {
  readonly way: 'kill -9' | 'SIGSTOP';
  readonly from: number;
  readonly to: number;
  readonly reads: readonly Read[];
  readonly isOtherProcess: boolean;
}

/** Reads of a history by whoever asks, each over a connection of its own, so by all workers in turn. */
async function readUntil(endsAt: number, { url }: SpawnedServer, { rooms, owner }: PreparedChat): Promise<Read[]> {
  const reads: Promise<Read>[] = [];
  for (let n = 0; monotonicMs() < endsAt; n += 1) {
    const at = monotonicMs();
    const line = `GET /v1/chat/rooms/${rooms[n % rooms.length]}/messages?after=0&limit=10`;
    reads.push(
      rest(url, line, { token: owner.token }).then(({ status, headers }) => ({
        at,
        tookMs: monotonicMs() - at,
        status,
        retryAfter: Number(headers['retry-after'] ?? 0),
      })),
    );
    await sleep(READ_EVERY_MS);
  }
  return Promise.all(reads);
}

/** What clients were told of one outage. */
function toldBy(load: Load, { from, to, reads }: Seen) {
  const attempts = load.attemptsBetween(from + UNDER_WAY_MS, to);
  const meanwhile = attempts.filter((it) => it.at < to);
  const answeredMeanwhile = reads.filter((it) => it.at + it.tookMs < to);
  return {
    receipts: load.acksBetween(from + UNDER_WAY_MS, to).length,
    retries: meanwhile.filter((it) => it.outcome === 'retry').length,
    others: meanwhile.filter((it) => it.outcome !== 'retry').length,
    answeredMs: attempts.map((it) => it.tookMs),
    firstReceiptMs: Math.min(...load.acksBetween(to, Infinity).map((it) => it.at)) - to,
    readMs: reads.map((it) => it.tookMs),
    reads503: answeredMeanwhile.filter((it) => it.status === 503 && it.retryAfter >= 1).length,
    readsElse: answeredMeanwhile.filter((it) => it.status !== 503).length,
  };
}

describe(`R7: ${FAULT}`, () => {
  const bed = new TestBed();
  afterAll(() => bed.close(), 60_000);

  it('production: no receipt meanwhile, a clear answer to everything, soon well again, nothing lost or doubled', async () => {
    const { server, mongodb } = await startProduction(bed);

    async function takeAway(way: Seen['way'], chat: PreparedChat): Promise<Seen> {
      const { pid } = mongodb;
      if (way === 'kill -9') await mongodb.kill();
      else mongodb.freeze();
      const from = monotonicMs();
      const reads = await readUntil(from + AWAY_MS, server, chat);
      if (way === 'kill -9') await mongodb.restart();
      else mongodb.thaw();
      const to = monotonicMs();
      await sleep(SETTLE_MS);
      return { way, from, to, reads, isOtherProcess: mongodb.pid !== pid };
    }

    const { load, result, verdict, seen } = await underLoad(bed, server, PRODUCTION_LOAD, async (_, chat) => {
      await sleep(SETTLE_MS / 2);
      return [await takeAway('kill -9', chat), await takeAway('SIGSTOP', chat)];
    });
    const deaths = sumOf(await readMetrics(server.url), 'parley_worker_deaths_total');
    const told = seen.map((it) => ({ ...it, ...toldBy(load, it) }));
    recordFigures({
      run: 'R7',
      over: 'production',
      fault: FAULT,
      bite: told
        .map((it) => `${it.way}: ${it.isOtherProcess ? 'pid changed, ' : ''}${it.retries} sends put off`)
        .join('; '),
      figures: [
        ...lossFigures(verdict.losses, result),
        ...logFigures(verdict, load, result),
        { what: 'workers that died', value: String(deaths), limit: '0' },
        { what: 'connections cut', value: String(load.cuts.length), limit: '0' },
        ...told.flatMap(
          ({ way, receipts, retries, others, answeredMs, firstReceiptMs, readMs, reads503, readsElse }) => [
            { what: `${way}: receipts meanwhile`, value: String(receipts), limit: '0' },
            {
              what: `${way}: sends answered otherwise than retry`,
              value: `${others} of ${retries + others}`,
              limit: '0',
            },
            { what: `${way}: sends answered`, value: spreadOf(answeredMs), limit: `max <= ${LIMIT.answered} ms` },
            {
              what: `${way}: reads answered otherwise than 503`,
              value: `${readsElse} of ${reads503 + readsElse}`,
              limit: '0',
            },
            { what: `${way}: reads answered`, value: spreadOf(readMs), limit: `max <= ${LIMIT.answered} ms` },
            {
              what: `${way}: first receipt after its return`,
              value: `${Math.round(firstReceiptMs)} ms`,
              limit: `<= ${LIMIT.firstReceipt} ms`,
            },
          ],
        ),
        ...generatorFigures(result),
      ],
    });
    assertWell(verdict, result);
    assert.equal(deaths, 0);
    assert.equal(load.cuts.length, 0);
    for (const it of told) {
      assert.equal(it.isOtherProcess, it.way === 'kill -9', 'void: MongoDB was not killed');
      assert.ok(it.retries > 0 && it.reads503 > 0, `void: nobody noticed ${it.way}`);
      assert.equal(it.receipts, 0, it.way);
      assert.equal(it.others, 0, it.way);
      assert.equal(it.readsElse, 0, it.way);
      assert.ok(quantile(it.answeredMs, 1) <= LIMIT.answered, it.way);
      assert.ok(quantile(it.readMs, 1) <= LIMIT.answered, it.way);
      assert.ok(it.firstReceiptMs <= LIMIT.firstReceipt, it.way);
    }
  }, 300_000);
});
