import { strict as assert } from 'node:assert';
import { createHash, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { Redis } from 'ioredis';
import type { RoomEvent } from '../../src/chat/ports/bus.ts';
import { RedisBus } from '../../src/drivers/bus/redis/redis-bus.ts';
import { RedisLimits } from '../../src/drivers/limits/redis/redis-limits.ts';
import { RedisPresence } from '../../src/drivers/presence/redis/redis-presence.ts';
import { RedisConnection } from '../../src/platform/redis-connection.ts';
import { systemClock } from '../../src/start/system-clock.ts';
import { type Engine, startRedis } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { keptLog } from '../support/redis-nodes.ts';
import { ROOT } from '../support/root.ts';

const KEY = 'chat.adapter.io';

describe('documents: the Redis user of install-redis.md', () => {
  let engine: Engine;
  let url: string;
  const opened: { close(): Promise<void> }[] = [];

  beforeAll(async () => {
    const page = await readFile(join(ROOT, 'docs/install-redis.md'), 'utf8');
    const [, rules = ''] = /^user parley (.*)$/m.exec(page) ?? [];
    const password = randomUUID();
    const hash = createHash('sha256').update(password).digest('hex');
    engine = await startRedis();
    await asAdmin((it) => it.call('ACL', 'SETUSER', 'parley', ...rules.replace('#HASH', `#${hash}`).split(' ')));
    url = engine.url.replace('redis://', `redis://parley:${password}@`);
  }, 120_000);
  afterAll(async () => {
    for (const it of opened.reverse()) await it.close();
    await engine.stop();
  }, 30_000);

  async function asAdmin<T>(ask: (client: Redis) => Promise<T>): Promise<T> {
    const client = new Redis(engine.url);
    try {
      return await ask(client);
    } finally {
      client.disconnect();
    }
  }

  const own = <T extends { close(): Promise<void> }>(it: T): T => {
    opened.push(it);
    return it;
  };

  async function connect(): Promise<{ connection: RedisConnection; log: ReturnType<typeof keptLog>; node: string }> {
    const log = keptLog();
    const connection = own(RedisConnection.open({ url, log }));
    await eventually(`Redis is here: ${JSON.stringify(log.lines)}`, () => connection.reach === 'here', 10_000);
    return { connection, log, node: randomUUID() };
  }

  it('may do what the bus, presence and limits do', async () => {
    const [one, other] = [await connect(), await connect()];
    const [speaker, listener] = [one, other].map(({ connection, log, node }) =>
      own(new RedisBus({ connection, key: KEY, node, clock: systemClock, log })),
    );
    assert.ok(speaker && listener);
    const heard: RoomEvent[] = [];
    listener.listen({ onRoom: (_room, event) => void heard.push(event), onNode: () => {}, onSuspect: () => {} });
    await eventually('both hear their own beats', () => speaker.reach === 'here' && listener.reach === 'here', 10_000);
    await listener.subscribe(['room']);
    const event: RoomEvent = { kind: 'writing', user: 'ann', name: 'Ann', status: 1 };
    speaker.publish('room', event);
    await eventually('an event is heard', () => heard.length === 1);
    listener.unsubscribe('room');

    const { connection, log, node } = one;
    const presence = own(new RedisPresence({ connection, key: KEY, node, clock: systemClock, log }));
    await eventually('ann is online, for sure', async () => {
      await presence.enter('ann');
      const { users, stale } = await presence.online(['ann']);
      return users.has('ann') && !stale;
    });
    await presence.exit('ann');

    const limits = new RedisLimits({ connection, key: KEY, instances: 1, clock: systemClock });
    const rate = { count: 1, windowMs: 60_000 };
    assert.deepEqual(await limits.take('a', rate), { ok: true });
    assert.equal((await limits.take('a', rate)).ok, false);
    limits.refund('a', rate);
    await eventually('a refund counts', async () => (await limits.take('a', rate)).ok);

    for (const it of [one, other]) {
      assert.ok(!JSON.stringify(it.log.lines).includes('NOPERM'), JSON.stringify(it.log.lines));
    }
    // ioredis tells its name by a command that Redis 7.0 does not know, and gets along without.
    const denied = (await asAdmin((it) => it.call('ACL', 'LOG'))) as unknown[];
    assert.deepEqual(
      denied.filter((it) => !/setinfo/i.test(JSON.stringify(it))),
      [],
    );
  }, 60_000);

  it('may do nothing else', async () => {
    const client = new Redis(url, { retryStrategy: null });
    try {
      for (const [command, ...args] of [
        ['get', `${KEY}:x`],
        ['hget', 'another.chat:x', 'y'],
        ['spublish', 'another.chat:nodes', 'x'],
        ['keys', '*'],
        ['flushall'],
        ['config', 'get', '*'],
        ['acl', 'list'],
        ['eval', "return redis.call('HGET', KEYS[1], 'x')", '1', 'another.chat:x'],
      ] as const) {
        await assert.rejects(client.call(command, ...args), /NOPERM|permission/i, command);
      }
    } finally {
      client.disconnect();
    }
  });
});
