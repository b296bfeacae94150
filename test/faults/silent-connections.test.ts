import assert from 'node:assert/strict';
import { afterAll, describe, it } from '@jest/globals';
import { eventually } from '../support/eventually.ts';
import { rssOf } from '../support/metrics.ts';
import { openEngine, type RawEngine } from '../support/raw-engine.ts';
import { createGuest } from '../support/rest.ts';
import { TestBed } from '../support/test-bed.ts';
import { LONG } from './harness/patience.ts';
import { recordFigures } from './harness/record-figures.ts';

const SILENT = LONG ? 2000 : 1000;
/** They come in with a token, leave the namespace and stay. */
const LEAVING = 50;
const AT_ONCE = 100;
const CUT_MS = 10_000;
/** For a busy machine. */
const LATE_MS = 3000;
const KIB_EACH = 40;

describe('connections that say nothing', () => {
  const bed = new TestBed();
  afterAll(() => bed.close(), 60_000);

  it(`${SILENT} of them are cut within 10 s and cost little; who leaves is cut at once; others are let in meanwhile`, async () => {
    const server = await bed.server({ LOG: 'warn' });
    const { url, port } = server;
    const [worker = 0] = server.workerPids();
    const guest = await createGuest(url, 'Leaves');
    const open = () => bed.own(openEngine(Number(port)), (it) => it.destroy());
    await openMany(open, AT_ONCE); // to warm up
    const before = rssOf(worker);

    const startedAt = performance.now();
    const silent = await openMany(open, SILENT);
    const after = rssOf(worker);
    const openedAt = performance.now();

    const leaving = await openMany(open, LEAVING);
    for (const it of leaving) it.send(`40/v1/channel,${JSON.stringify({ token: guest.token })}`);
    await Promise.all(leaving.map((it) => it.packet((packet) => packet.startsWith('40/v1/channel'))));
    assert.ok(silent.filter((it) => !it.isClosed()).length > SILENT / 2, 'they were there all the time');
    for (const it of leaving) it.send('41/v1/channel,');
    await eventually('who left is cut', () => leaving.every((it) => it.isClosed()), 3000);

    await eventually('all are cut', () => silent.every((it) => it.isClosed()), CUT_MS + LATE_MS);
    const cutMs = performance.now() - openedAt;
    const kibEach = ((after - before) * 1024) / SILENT;
    recordFigures({
      run: 'silent',
      over: 'embedded',
      fault: `${SILENT} connections that say nothing, and ${LEAVING} that come in, leave and stay`,
      bite: `opened in ${Math.round(openedAt - startedAt)} ms`,
      figures: [
        { what: 'the last was cut after', value: `${Math.round(cutMs)} ms`, limit: `<= ${CUT_MS + LATE_MS} ms` },
        { what: 'memory of each', value: `${kibEach.toFixed(1)} KiB`, limit: `<= ${KIB_EACH}` },
      ],
    });
    assert.ok(kibEach <= KIB_EACH, `${kibEach} KiB each`);
  }, 60_000);
});

async function openMany(open: () => RawEngine, count: number): Promise<RawEngine[]> {
  const opened: RawEngine[] = [];
  while (opened.length < count) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - opened.length) }, open);
    await Promise.all(some.map((it) => it.opened()));
    opened.push(...some);
  }
  return opened;
}
