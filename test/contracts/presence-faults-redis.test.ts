import { strict as assert } from 'node:assert';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { RedisPresence } from '../../src/drivers/presence/redis/redis-presence.ts';
import { systemClock } from '../../src/start/system-clock.ts';
import { type Engine, startRedis } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { openRedisNodes, type RedisNodes } from '../support/redis-nodes.ts';

/** What a busy machine may add to a time that is promised. */
const SLACK_MS = 500;
describe('RedisPresence', () => {
  let redis: Engine;
  let opened: RedisNodes;
  let nodes: RedisPresence[];
  let gone: string[][];

  const open = async (count: number, times: { leaseMs?: number; renewMs?: number } = {}): Promise<void> => {
    opened = await openRedisNodes(count, redis.url);
    gone = [];
    nodes = opened.nodes.map(({ connection, name, log }, at) => {
      const heard: string[] = [];
      gone[at] = heard;
      const presence = new RedisPresence({
        connection,
        key: opened.key,
        node: name,
        clock: systemClock,
        log,
        ...times,
      });
      presence.onGone((users) => void heard.push(...users));
      return presence;
    });
  };
  const at = (index: number): RedisPresence => {
    const node = nodes[index];
    assert.ok(node);
    return node;
  };
  const onlineOn = async (index: number, users: string[]): Promise<string> => {
    const { users: online, stale } = await at(index).online(users);
    return [...(stale ? ['stale'] : []), ...[...online].sort()].join(' ');
  };
  const shows = (index: number, users: string[], expected: string, withinMs = 5000): Promise<boolean> => {
    let last = '';
    return eventually(
      `${expected} on ${index}`,
      async () => {
        last = await onlineOn(index, users);
        return last === expected;
      },
      withinMs,
    ).catch((cause: unknown) => {
      throw new Error(`it shows: ${last}`, { cause });
    });
  };
  const allAre = (reach: string, withinMs: number): Promise<boolean> =>
    eventually(`Redis is ${reach}`, () => opened.nodes.every((it) => it.connection.reach === reach), withinMs);

  beforeEach(async () => {
    redis = await startRedis();
  });
  afterEach(async () => {
    await Promise.all(nodes.map((it) => it.close()));
    await opened.close();
    await redis.stop();
  });

  it('users of a dead node are gone within 15 s, with its true lease', async () => {
    await open(3);
    await opened.ready();
    await at(1).enter('ana');
    await at(1).enter('ben');
    await at(0).enter('ben');
    await opened.killNode(1);
    const diedAt = performance.now();
    await sleep(5000);
    assert.equal(await onlineOn(0, ['ana', 'ben']), 'ana ben', 'its lease still runs');
    const left = 15_000 - (performance.now() - diedAt);
    await eventually('ana is gone', () => gone[0]?.length === 1 && gone[2]?.length === 1, left);
    assert.deepEqual([gone[0], gone[2]], [['ana'], ['ana']]);
    assert.equal(await onlineOn(2, ['ana', 'ben']), 'ben');
  }, 25_000);

  it('is right again within 15 s when Redis was emptied', async () => {
    await open(2);
    await opened.ready();
    const users = Array.from({ length: 2500 }, (_, n) => `user ${n}`);
    await Promise.all(users.map((user, n) => at(n % 2).enter(user)));
    await at(1).enter('user 0');
    const admin = new Redis(redis.url);
    await admin.flushall();
    await admin.quit();
    await eventually('all are back', async () => (await at(0).online(users)).users.size === users.length, 15_000);
    assert.equal(await at(0).exit('user 0'), false, 'on the other node too');
    assert.equal(await at(1).exit('user 0'), true);
    assert.deepEqual(gone, [[], []]);
  }, 30_000);

  it('answers at once what it knew while Redis is away, and what changed meanwhile shows afterwards', async () => {
    await open(2, { leaseMs: 3000, renewMs: 500 });
    await opened.ready();
    await at(0).enter('ana');
    await at(1).enter('ben');
    await at(1).enter('tom');
    assert.equal(await onlineOn(0, ['ana', 'ben', 'eve']), 'ana ben');
    await redis.kill();
    await allAre('away', 1000 + SLACK_MS);
    const startedAt = performance.now();
    assert.equal(await onlineOn(0, ['ana', 'ben', 'eve']), 'stale ana ben');
    assert.equal(await at(0).enter('eve'), true);
    assert.equal(await at(1).exit('tom'), false, 'nobody knows whether elsewhere');
    assert.equal(await at(1).enter('ben'), false);
    assert.ok(performance.now() - startedAt < SLACK_MS, 'nobody waits');
    assert.equal(await onlineOn(0, ['ana', 'ben', 'eve']), 'stale ana ben eve');
    await redis.restart();
    await allAre('here', 5000);
    for (const index of [0, 1]) {
      await shows(index, ['ana', 'ben', 'eve', 'tom'], 'ana ben eve');
      await eventually('who went meanwhile is gone', () => gone[index]?.length === 1);
      assert.deepEqual(gone[index], ['tom']);
    }
    assert.equal(await at(0).exit('eve'), true);
  }, 20_000);

  it('answers within 500 ms when Redis is frozen, and nobody is taken for dead who could not renew', async () => {
    await open(3, { leaseMs: 2000, renewMs: 500 });
    await opened.ready();
    for (const [index, user] of ['ana', 'ben', 'eve'].entries()) await at(index).enter(user);
    await eventually('a lease was renewed', async () => (await onlineOn(0, ['eve'])) === 'eve');
    redis.freeze();
    const startedAt = performance.now();
    assert.equal(await at(0).enter('tom'), true);
    assert.ok(performance.now() - startedAt < 500 + SLACK_MS);
    await allAre('away', 2000);
    const askedAt = performance.now();
    assert.match(await onlineOn(0, ['ana', 'tom']), /^stale ana tom$/);
    assert.equal(await at(1).exit('ben'), false);
    assert.ok(performance.now() - askedAt < SLACK_MS, 'known to be away: nobody waits');
    // Longer than a lease.
    await sleep(Math.max(0, startedAt + 4000 - performance.now()));
    redis.thaw();
    await allAre('here', 3000);
    for (const index of [0, 1, 2]) {
      await shows(index, ['ana', 'ben', 'eve', 'tom'], 'ana eve tom');
      await eventually('ben is gone', () => gone[index]?.length === 1);
      assert.deepEqual(gone[index], ['ben'], 'and nobody else');
    }
  }, 25_000);

  it('a node that was cut off is taken for dead, and is there again with all its users when it is back', async () => {
    await open(2, { leaseMs: 1500, renewMs: 300 });
    await opened.ready();
    await at(1).enter('ana');
    const goOn = opened.stallNode(1);
    await eventually('ana is gone', () => gone[0]?.length === 1, 5000);
    assert.equal(await onlineOn(0, ['ana']), '');
    goOn();
    await shows(0, ['ana'], 'ana');
    assert.deepEqual(gone, [['ana'], []]);
  }, 20_000);

  it('says goodbye: whoever is still here is gone at once, and nothing is left', async () => {
    await open(2, { leaseMs: 60_000, renewMs: 300 });
    await opened.ready();
    await at(1).enter('ana');
    await at(1).close();
    await eventually('ana is gone', () => gone[0]?.length === 1);
    const admin = new Redis(redis.url);
    assert.deepEqual(await admin.hgetall(`${opened.key}:{presence}:counts`), {});
    assert.equal(await admin.zcard(`${opened.key}:{presence}:nodes`), 1);
    const keys = await admin.keys('*');
    for (const key of keys) assert.ok((await admin.pttl(key)) > 0, `${key} goes by itself when nobody is left`);
    assert.ok((await admin.pttl(`${opened.key}:{presence}:gone`)) > 60_000, 'who renews seldom hears of it, too');
    await admin.quit();
  }, 15_000);

  it('takes over the leases of a whole server that died', async () => {
    await open(2, { leaseMs: 1500, renewMs: 300 });
    await opened.ready();
    await at(0).enter('ana');
    await at(1).enter('ben');
    const { key } = opened;
    await opened.killNode(0);
    await opened.killNode(1);
    const later = await openRedisNodes(1, redis.url);
    await later.ready();
    const { connection, name, log } = later.at(0);
    const times = { leaseMs: 1500, renewMs: 300 };
    const node = new RedisPresence({ connection, key, node: name, clock: systemClock, log, ...times });
    await node.enter('ben');
    await eventually('ana is gone', async () => {
      const { users } = await node.online(['ana', 'ben']);
      return [...users].join() === 'ben';
    });
    await node.close();
    await later.close();
  }, 15_000);
});
