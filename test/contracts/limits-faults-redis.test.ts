import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { RedisLimits } from '../../src/drivers/limits/redis/redis-limits.ts';
import { systemClock } from '../../src/start/system-clock.ts';
import { type Engine, startRedis } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { openRedisNodes, type RedisNodes } from '../support/redis-nodes.ts';

/** What a busy machine may add to a time that is promised. */
const SLACK_MS = 500;
const NODES = 3;
const RATE = { count: 20, windowMs: 10_000 };

describe('RedisLimits', () => {
  let redis: Engine;
  let opened: RedisNodes;
  let nodes: RedisLimits[];

  beforeEach(async () => {
    redis = await startRedis();
    opened = await openRedisNodes(NODES, redis.url);
    await opened.ready();
    nodes = opened.nodes.map(
      ({ connection }) => new RedisLimits({ connection, key: opened.key, instances: NODES, clock: systemClock }),
    );
  });
  afterEach(async () => {
    await opened.close();
    await redis.stop();
  });

  /** How many of 200 calls on all nodes are let through, and how long the slowest took. */
  const storm = async (key: string): Promise<{ accepted: number; slowestMs: number }> => {
    const startedAt = performance.now();
    let slowestMs = 0;
    const taken = await Promise.all(
      Array.from({ length: 200 }, async (_, n) => {
        const answer = await nodes[n % NODES]?.take(key, RATE);
        slowestMs = Math.max(slowestMs, performance.now() - startedAt);
        return answer?.ok === true;
      }),
    );
    return { accepted: taken.filter(Boolean).length, slowestMs };
  };
  const allAre = (reach: string, withinMs: number): Promise<boolean> =>
    eventually(`Redis is ${reach}`, () => opened.nodes.every((it) => it.connection.reach === reach), withinMs);

  it('counts by the time of Redis', async () => {
    const short = { count: 1, windowMs: 400 };
    assert.deepEqual(await nodes[0]?.take('ana', short), { ok: true });
    const refused = await nodes[1]?.take('ana', short);
    assert.ok(refused?.ok === false && refused.retryAfterMs > 0 && refused.retryAfterMs <= 400);
    await eventually('there is room again', async () => (await nodes[2]?.take('ana', short))?.ok);
  });

  it('lets at most twice as many through when Redis is killed, and counts right when it is back', async () => {
    assert.equal((await storm('ana')).accepted, 20);
    await redis.kill();
    await allAre('away', 1000 + SLACK_MS);
    const { accepted, slowestMs } = await storm('ana');
    assert.equal(accepted, 18, 'a third of 20 for each node');
    assert.ok(slowestMs < SLACK_MS, 'known to be away: nobody waits');
    assert.equal((await storm('ana')).accepted, 0);
    const one = { count: 1, windowMs: 60_000 };
    for (const node of nodes) assert.equal((await node.take('rare', one)).ok, true, 'at least one');
    nodes[0]?.refund('rare', one);
    assert.equal((await nodes[0]?.take('rare', one))?.ok, true);
    assert.equal((await nodes[1]?.take('rare', one))?.ok, false);
    await redis.restart();
    await allAre('here', 5000);
    assert.equal((await storm('ben')).accepted, 20);
  }, 20_000);

  it('answers within 500 ms when Redis is frozen, at once when that is known, and is back soon', async () => {
    redis.freeze();
    const first = await storm('ana');
    assert.ok(first.slowestMs < 500 + SLACK_MS, `${first.slowestMs} ms`);
    assert.ok(first.accepted <= 20);
    await allAre('away', 2000);
    const second = await storm('ana');
    assert.ok(second.slowestMs < SLACK_MS, `${second.slowestMs} ms`);
    assert.ok(first.accepted + second.accepted <= 20);
    redis.thaw();
    await allAre('here', 3000);
    assert.ok((await storm('ana')).accepted <= 20);
  }, 20_000);
});
