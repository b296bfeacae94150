import { RedisLimits } from '../../src/drivers/limits/redis/redis-limits.ts';
import { engines } from '../support/engines.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { openRedisNodes } from '../support/redis-nodes.ts';
import { limitsContract } from './limits-contract.ts';

limitsContract('redis', async (count) => {
  const opened = await openRedisNodes(count, engines.redis());
  await opened.ready();
  const clock = new FakeClock();
  return {
    ...opened,
    nodes: opened.nodes.map(
      ({ connection }) =>
        new RedisLimits({ connection, key: opened.key, instances: count, clock, now: () => clock.now() }),
    ),
    passMs: async (ms) => clock.advance(ms, 1),
  };
});
