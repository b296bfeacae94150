import { strict as assert } from 'node:assert';
import { describe, it } from '@jest/globals';
import type { Log } from '../../src/chat/ports/log.ts';
import { LocalJobs } from '../../src/drivers/jobs/local/local-jobs.ts';
import { LocalQueue } from '../../src/drivers/jobs/local/local-queue.ts';
import { openClusterLinks } from '../support/cluster-links.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { jobsContract } from './jobs-contract.ts';

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

jobsContract('local', async (count) => {
  const clock = new FakeClock();
  const links = openClusterLinks(count, new LocalQueue(clock, silent));
  return {
    ...links,
    nodes: links.nodes.map(({ link }) => new LocalJobs(link)),
    passMs: (ms) => clock.advance(ms),
  };
});

describe('LocalQueue', () => {
  const command = {
    id: 'c1',
    chatroom: 'room',
    user: 'ana',
    userName: 'Ana',
    clientId: 'x',
    fingerprint: 'f',
    command: 'hello',
    args: '',
    message: '/hello',
    createdAt: '2026-01-01T00:00:00.000Z',
    deadline: 0,
  };

  it('says in the log that a command was given up', async () => {
    const clock = new FakeClock();
    const errors: unknown[] = [];
    const log = { ...silent, error: (_: string, fields: unknown) => void errors.push(fields) };
    const links = openClusterLinks(1, new LocalQueue(clock, log));
    const [jobs] = links.nodes.map(({ link }) => new LocalJobs(link));
    await jobs?.consume(1, () => Promise.reject(new Error('never')));
    await jobs?.publish(command);
    await clock.advance(4500);
    assert.equal(errors.length, 1);
    assert.equal((errors[0] as { id: string }).id, 'c1');
    links.close();
  });

  it('uses up no delivery on a consumer whose link has closed and whose process is not gone yet', async () => {
    const clock = new FakeClock();
    const queue = new LocalQueue(clock, silent);
    const links = openClusterLinks(2, { attach: (link) => queue.attach(link) });
    const [closing, other] = links.nodes.map(({ link }) => new LocalJobs(link));
    await closing?.consume(10, async () => {});
    links.killNode(0);
    await other?.publish(command);
    await clock.advance(60_000);
    const got: string[] = [];
    await other?.consume(10, async ({ id }) => void got.push(id));
    await settle();
    assert.deepEqual(got, ['c1']);
    links.close();
  });

  it('forgets a finished id after a while', async () => {
    const clock = new FakeClock();
    const links = openClusterLinks(1, new LocalQueue(clock, silent));
    const [jobs] = links.nodes.map(({ link }) => new LocalJobs(link));
    let runs = 0;
    await jobs?.consume(10, async () => {
      runs += 1;
    });
    await jobs?.publish(command);
    await clock.advance(119_000);
    await jobs?.publish(command);
    await settle();
    assert.equal(runs, 1);
    await clock.advance(2000);
    assert.equal(clock.waiting, 0);
    await jobs?.publish(command);
    await settle();
    assert.equal(runs, 2);
    links.close();
  });
});
