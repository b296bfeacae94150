import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { eventually } from '../support/eventually.ts';
import { rest } from '../support/rest.ts';
import type { SpawnedServer } from '../support/spawn-server.ts';
import { TestBed } from '../support/test-bed.ts';
import { generatorFigures, logFigures, lossFigures } from './harness/figures.ts';
import { assertWell } from './harness/judge.ts';
import { type Load, type LoadSize, PRODUCTION_LOAD, STANDARD_LOAD } from './harness/load.ts';
import { monotonicMs } from './harness/monotonic-ms.ts';
import { LONG, PATIENCE } from './harness/patience.ts';
import { quantile, spreadOf } from './harness/quantile.ts';
import { recordFigures } from './harness/record-figures.ts';
import { startEmbedded, startProduction } from './harness/set-ups.ts';
import { underLoad } from './harness/under-load.ts';

const KILLS = LONG ? 5 : 1;
const BETWEEN_MS = LONG ? 10_000 : 3000;
const PATIENCE_MS = 30_000;
const LIMIT = { orphans: 5000 * PATIENCE, service: 10_000 * PATIENCE };
const FAULT = `kill -9 of the main process, which its supervisor starts again at once, ${KILLS} times`;

/** From each kill, milliseconds. */
interface Seen {
  /** Until no process of the old server was left. */
  readonly orphansMs: number[];
  /** Until `/readyz` said 200 and a message was acknowledged. */
  readonly serviceMs: number[];
  /** Until each client was back and had caught up. */
  readonly backMs: number[];
  cuts: number;
}

describe(`R3: ${FAULT}`, () => {
  let bed: TestBed;
  beforeEach(() => {
    bed = new TestBed();
  });
  afterEach(() => bed.close(), 60_000);

  /** The test is the supervisor, as pm2 or systemd would be. */
  async function killPrimaries(load: Load, first: SpawnedServer): Promise<Seen> {
    const seen: Seen = { orphansMs: [], serviceMs: [], backMs: [], cuts: 0 };
    let server = first;
    await sleep(BETWEEN_MS);
    for (let n = 0; n < KILLS; n += 1) {
      const old = server;
      const at = monotonicMs();
      old.signal('SIGKILL');
      const serve = async (): Promise<void> => {
        server = await bed.again(old);
        // What old workers had under way does not count.
        const listensAt = monotonicMs();
        await eventually(
          'it serves again',
          async () =>
            load.acksBetween(listensAt, Infinity).length > 0 && (await rest(server.url, 'GET /readyz')).status === 200,
          PATIENCE_MS,
        );
        seen.serviceMs.push(monotonicMs() - at);
      };
      const orphansEnd = async (): Promise<void> => {
        await eventually('no orphan is left', () => old.pids().length === 0, PATIENCE_MS);
        seen.orphansMs.push(monotonicMs() - at);
      };
      await Promise.all([serve(), orphansEnd()]);
      assert.notEqual(server.pid, old.pid);
      await sleep(BETWEEN_MS);
      await load.everybodyBack();
      seen.cuts += load.cuts.filter((it) => it.at >= at).length;
      seen.backMs.push(...load.backs.filter((it) => it.at >= at).map((it) => it.at - at));
    }
    return seen;
  }

  async function run(over: 'embedded' | 'production', server: SpawnedServer, size: LoadSize): Promise<void> {
    const { load, result, verdict, seen } = await underLoad(bed, server, size, (it) => killPrimaries(it, server));
    const { orphansMs, serviceMs, backMs, cuts } = seen;
    recordFigures({
      run: 'R3',
      over,
      fault: FAULT,
      bite: `${KILLS} pids changed, ${cuts} connections cut`,
      figures: [
        ...lossFigures(verdict.losses, result),
        ...logFigures(verdict, load, result),
        {
          what: 'last process of the old server gone',
          value: spreadOf(orphansMs),
          limit: `max <= ${LIMIT.orphans} ms`,
        },
        { what: 'ready, and the first receipt', value: spreadOf(serviceMs), limit: `max <= ${LIMIT.service} ms` },
        { what: 'clients back and caught up, waiting longer after each try', value: spreadOf(backMs) },
        ...generatorFigures(result),
      ],
    });
    assertWell(verdict, result);
    assert.ok(cuts >= KILLS * size.clients, 'void: not everybody was cut');
    assert.ok(quantile(orphansMs, 1) <= LIMIT.orphans);
    assert.ok(quantile(serviceMs, 1) <= LIMIT.service);
  }

  // What the main process does is the same everywhere, so that the short form leaves one out.
  const setUps = LONG ? (['embedded', 'production'] as const) : (['embedded'] as const);
  it.each(setUps)(
    '%s: no process stays behind, service comes back, nothing is lost',
    async (over) => {
      const { server } = over === 'embedded' ? await startEmbedded(bed) : await startProduction(bed);
      await run(over, server, over === 'embedded' ? STANDARD_LOAD : PRODUCTION_LOAD);
    },
    240_000,
  );
});
