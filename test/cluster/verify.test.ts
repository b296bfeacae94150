import assert from 'node:assert/strict';
import { cp, rm } from 'node:fs/promises';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { verify } from '../../src/verify/verify.ts';
import { eventually } from '../support/eventually.ts';
import { TestBed } from '../support/test-bed.ts';

const LOAD = { clients: 9, rooms: 2, seconds: 8, rate: 15, dropsPerMinute: 60, seed: 7 };

/** When the load has run this long, in lines of its progress: about one a second. */
const atLine = (line: number, run: () => void) => {
  let lines = 0;
  return () => {
    lines += 1;
    if (lines === line) run();
  };
};

describe('verify', () => {
  let bed: TestBed;
  beforeEach(() => {
    bed = new TestBed();
  });
  afterEach(() => bed.close(), 30_000);

  it('finds that all held when workers were killed meanwhile', async () => {
    const server = await bed.server({ INSTANCES: '2', LOG: 'error' });
    const before = server.workerPids();
    const kill = () => {
      const [pid] = server.workerPids();
      if (pid !== undefined) process.kill(pid, 'SIGKILL');
    };
    const first = atLine(2, kill);
    const second = atLine(5, kill);
    const result = await verify({ url: server.url, ...LOAD }, () => {
      first();
      second();
    });
    assert.deepEqual(result.refusals, []);
    assert.deepEqual(result.findings, { broken: [], lost: [], different: [], faults: [] });
    assert.equal(result.ok, true);
    assert.ok(result.acknowledged >= 100, `${result.acknowledged} acknowledged`);
    assert.ok(result.cuts >= 8, `${result.cuts} cuts`);
    await server.workers();
    assert.ok(server.workerPids().some((pid) => !before.includes(pid)));
  }, 90_000);

  it('says within seconds that nobody answers, and why', async () => {
    const server = await bed.server({ INSTANCES: '1', LOG: 'error' });
    await server.stop();
    await assert.rejects(
      verify({ url: server.url, ...LOAD }, () => {}),
      /does not answer POST .*ECONNREFUSED/,
    );
  }, 30_000);

  it('finds what is lost when a server goes back to an older copy of its data', async () => {
    const server = await bed.server({ INSTANCES: '1', LOG: 'error' });
    const copy = `${server.options.dataDir}-copy`;
    const takeCopy = atLine(3, () => {
      void cp(server.options.dataDir, copy, { recursive: true, force: true });
    });
    let back: Promise<unknown> = Promise.resolve();
    const goBack = atLine(6, () => {
      back = (async () => {
        await server.killGroup();
        await rm(server.options.dataDir, { recursive: true });
        await cp(copy, server.options.dataDir, { recursive: true });
        await bed.again(server);
      })();
    });
    const result = await verify({ url: server.url, ...LOAD }, () => {
      takeCopy();
      goBack();
    });
    await back;
    await eventually('it was another server', () => server.hasExited);
    assert.equal(result.ok, false);
    assert.ok(result.findings.lost.length > 0);
    assert.ok(result.findings.different.length > 0);
  }, 120_000);
});
