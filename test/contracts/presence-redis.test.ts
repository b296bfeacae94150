import { RedisPresence } from '../../src/drivers/presence/redis/redis-presence.ts';
import { systemClock } from '../../src/start/system-clock.ts';
import { engines } from '../support/engines.ts';
import { openRedisNodes } from '../support/redis-nodes.ts';
import { presenceContract } from './presence-contract.ts';

presenceContract('redis', async (count) => {
  const opened = await openRedisNodes(count, engines.redis());
  await opened.ready();
  const nodes = opened.nodes.map(
    ({ connection, name, log }) =>
      new RedisPresence({
        connection,
        key: opened.key,
        node: name,
        clock: systemClock,
        log,
        // All nodes are in this one process: thousands of users at once must not take longer than a lease.
        leaseMs: 3000,
        renewMs: 700,
      }),
  );
  return {
    ...opened,
    nodes,
    close: async () => {
      await Promise.all(nodes.map((it) => it.close()));
      await opened.close();
    },
  };
});
