import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, it } from '@jest/globals';
import { checkLog } from '../../src/verify/check-log.ts';
import { quantilesOf } from '../../src/verify/quantiles.ts';
import { calmMachine } from '../support/calm-machine.ts';
import { comeBack, comeInOrderly } from '../support/come-back.ts';
import { eventually } from '../support/eventually.ts';
import { readMetrics, rssOf, sumOf } from '../support/metrics.ts';
import { prepareFolder } from '../support/prepared-folder.ts';
import { RawClient } from '../support/raw-client.ts';
import { readHistory } from '../support/rest.ts';
import { plannedAt, startSteadySender } from '../support/steady-sender.ts';
import { TestBed } from '../support/test-bed.ts';
import { LONG } from './harness/patience.ts';
import { recordFigures } from './harness/record-figures.ts';

/** With the rate: what a worker sends that leaves the other core to the clients. */
const CLIENTS = LONG ? 90 : 150;
const SLOW = 50;
/** Healthy clients whose messages are looked at one by one; of the others only the order is checked. */
const WITNESSES = 10;
const PER_SECOND = LONG ? 500 : 300;
const BYTES = 1024;
/** A message as it goes over the wire: with ids, names and times. */
const WIRE_BYTES = BYTES + 280;
const BEFORE_MS = LONG ? 20_000 : 8000;
const SLOW_MS = LONG ? 120_000 : 20_000;
/** What the kernel takes for a socket whose client does not read: to the server it is as good as read. */
const KERNEL_BYTES = Number(readFileSync('/proc/sys/net/ipv4/tcp_wmem', 'latin1').split(/\s+/)[2]);
const UNREAD = { bytes: 1024 * 1024, ms: 10_000 };
/** Sockets are looked at four times a second; the rest is for a busy machine. */
const LATE_MS = 250 + 3000;
/** Of what went to everybody since they stopped reading, when the last of them is cut. */
const CUT_BYTES = KERNEL_BYTES + UNREAD.bytes + (LATE_MS * PER_SECOND * WIRE_BYTES) / 1000;
/** More for the cuts of a machine that has no time. */
const PATIENCE_MS = 20_000;
const MORE_MIB = 64;
const TIMES_SLOWER = 2;
/** Below this, what differs is what else the machine does. */
const NOISE_MS = 100;

describe('R17: clients that do not read', () => {
  const bed = new TestBed();
  afterAll(() => bed.close(), 60_000);

  it(`${SLOW} of ${CLIENTS}, half of them with pongs, are cut, nobody else feels them, and they miss nothing`, async () => {
    const dataDir = join(await bed.folder(), 'data');
    const { rooms, owner, users } = await prepareFolder(dataDir, { rooms: 1, users: CLIENTS }, () => [0]);
    const [room = ''] = rooms;
    const limits = { MAX_UNREAD_BYTES: String(UNREAD.bytes), MAX_UNREAD_MS: String(UNREAD.ms) };
    const server = await bed.server({ DATA_DIR: dataDir, LOG: 'warn', ...limits });
    const { url } = server;
    const [worker = 0] = server.workerPids();
    const open = (token: string, name: string, kept: readonly string[]) =>
      bed.own(new RawClient(url, token, name, kept), (it) => it.close());
    const sender = open(owner.token, 'sender', []);
    const clients = users.map((it, n) => open(it.token, it.name, n < SLOW + WITNESSES ? [room] : []));
    const slow = clients.slice(0, SLOW);
    const witnesses = clients.slice(SLOW, SLOW + WITNESSES);
    const counted = clients.slice(SLOW + WITNESSES);
    await comeInOrderly([sender, ...clients]);

    const taken = await calmMachine();
    let latencies: number[] = [];
    for (const it of witnesses) {
      it.onLive = ({ message }) => latencies.push(performance.now() - plannedAt(message));
    }
    const delay = monitorEventLoopDelay({ resolution: 10 });
    delay.enable();
    const load = bed.own(
      startSteadySender([sender], () => room, PER_SECOND, BYTES),
      (it) => it.stop(),
    );
    let rss: number[] = [];
    const watch = bed.own(
      setInterval(() => rss.push(rssOf(worker)), 500),
      (it) => clearInterval(it),
    );
    await sleep(BEFORE_MS / 2); // to warm up
    [latencies, rss] = [[], []];
    await sleep(BEFORE_MS / 2);
    const before = { ...quantilesOf(latencies), rss: Math.max(...rss) };

    [latencies, rss] = [[], []];
    for (const it of slow) it.pause();
    const pausedAt = performance.now();
    const pongs = bed.own(
      setInterval(() => {
        for (const it of slow.slice(0, SLOW / 2)) it.pong();
      }, 1000),
      (it) => clearInterval(it),
    );
    const [witness] = witnesses;
    const atPause = witness?.lengthOf(room) ?? 0;
    const cutsAt: number[] = [];
    let lastCutBytes = 0;
    const lasts = (): boolean => {
      const ms = performance.now() - pausedAt;
      return ms < SLOW_MS || (cutsAt.length < SLOW && ms < SLOW_MS + PATIENCE_MS);
    };
    while (lasts()) {
      await sleep(500);
      const cuts = sumOf(await readMetrics(url), 'parley_slow_consumers_cut_total');
      if (cuts > cutsAt.length) lastCutBytes = ((witness?.lengthOf(room) ?? 0) - atPause) * WIRE_BYTES;
      while (cutsAt.length < cuts) cutsAt.push(performance.now() - pausedAt);
    }
    const during = { ...quantilesOf(latencies), rss: Math.max(...rss) };
    const loopDelayMs = delay.percentile(99) / 1e6;
    delay.disable();
    clearInterval(pongs);
    clearInterval(watch);
    await load.stop();

    const cut = quantilesOf(cutsAt);
    const limitMs = Math.max(TIMES_SLOWER * before.p99, NOISE_MS);
    const others = [...witnesses, ...counted, sender];
    recordFigures({
      run: 'R17',
      over: 'embedded',
      fault: `${SLOW} of ${CLIENTS} clients stop reading, half of them still with pongs, at ${PER_SECOND} messages/s of ${BYTES} bytes for ${SLOW_MS / 1000} s`,
      bite: `${cut.count} were cut`,
      figures: [
        { what: 'cut after', value: `p50 ${cut.p50}, max ${cut.max} ms (${cut.count})`, limit: `${SLOW} of them` },
        {
          what: 'sent to each until then, with what the kernel takes',
          value: `${lastCutBytes} bytes, ${KERNEL_BYTES} of them`,
          limit: `<= ${CUT_BYTES}`,
        },
        { what: 'others that were cut', value: `${others.filter((it) => it.cuts.length > 0).length}`, limit: '0' },
        { what: 'p50 of the others', value: `${before.p50} -> ${during.p50} ms` },
        { what: 'p99 of the others', value: `${before.p99} -> ${during.p99} ms`, limit: `<= ${limitMs} ms` },
        {
          what: 'memory of the worker',
          value: `${before.rss.toFixed(0)} -> ${during.rss.toFixed(0)} MiB`,
          limit: `+${MORE_MIB}`,
        },
        { what: 'loop delay of the clients p99', value: `${Math.round(loopDelayMs)} ms` },
        { what: 'machine taken by others before', value: `${Math.round(taken * 100)} %` },
      ],
    });
    assert.deepEqual(load.refusals, []);
    assert.equal(cut.count, SLOW, 'not exactly those who do not read were cut');
    assert.ok(lastCutBytes <= CUT_BYTES, `the last one was cut ${lastCutBytes} bytes after it had stopped reading`);
    assert.ok(during.p99 <= limitMs, 'the others feel it');
    assert.ok(during.rss - before.rss <= MORE_MIB, 'the worker grew');
    for (const it of others) assert.equal(it.cuts.length, 0, `${it.name} was cut`);

    for (const it of slow) it.resume();
    await eventually('they see that they were cut', () => slow.every((it) => !it.isIn), 10_000);
    await Promise.all(slow.map((it) => comeBack(it)));
    const history = await readHistory(url, owner.token, room);
    assert.equal(history.length, load.sent());
    await eventually('all hold it', () =>
      [...slow, ...witnesses].every((it) => it.lengthOf(room) === history.length),
    ).catch(() => {}); // the comparison says better what is missing
    const found = checkLog(
      room,
      history,
      [sender, ...slow, ...witnesses].map((it) => it.witnessOf(room)),
    );
    assert.deepEqual(found, { broken: [], lost: [], different: [], faults: [] });
    for (const it of counted) {
      const { received, gaps } = it.countsOf(room);
      assert.deepEqual({ received, gaps }, { received: history.length, gaps: 0 }, it.name);
    }
  }, 300_000);
});
