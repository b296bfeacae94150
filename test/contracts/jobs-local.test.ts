import { strict as assert } from 'node:assert';
import { describe, it } from '@jest/globals';
import type { Log } from '../../src/chat/ports/log.ts';
import { LocalJobs } from '../../src/drivers/jobs/local/local-jobs.ts';
import { LocalQueue } from '../../src/drivers/jobs/local/local-queue.ts';
import { openClusterLinks } from '../support/cluster-links.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { command as commandOf, jobsContract } from './jobs-contract.ts';

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
  const command = { ...commandOf('c1'), command: 'hello', message: '/hello', args: '' };

  it('takes the same id as one job: waiting, under way or done', async () => {
    const clock = new FakeClock();
    const links = openClusterLinks(3, new LocalQueue(clock, silent));
    const [a, b, c] = links.nodes.map(({ link }) => new LocalJobs(link));
    assert.ok(a && b && c);
    const got: (string | undefined)[] = [];
    let finish = (): void => {};
    await Promise.all([a, b, c].map((it) => it.publish(command)));
    await a.consume(10, ({ id }) => {
      got.push(id);
      return new Promise((resolve) => {
        finish = resolve;
      });
    });
    await b.publish(command);
    await settle();
    finish();
    await settle();
    await c.publish(command);
    await clock.advance(10_000);
    assert.deepEqual(got, ['c1']);
    links.close();
  });

  it('has no reply taken before the chat takes replies, and then tells the bot how it went', async () => {
    const links = openClusterLinks(1, new LocalQueue(new FakeClock(), silent));
    const [jobs] = links.nodes.map(({ link }) => new LocalJobs(link));
    assert.ok(jobs);
    const reply = { chatroom: 'room', token: 't', message: 'text' };
    await assert.rejects(jobs.reply(reply), { code: 'try_again' });
    await jobs.replies(10, async ({ message }) => {
      if (message === 'text') throw new Error('not now');
    });
    await assert.rejects(jobs.reply(reply), /not now/);
    await jobs.reply({ ...reply, message: 'other' });
    links.close();
  });

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
    const got: (string | undefined)[] = [];
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
