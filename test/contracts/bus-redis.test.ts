import { RedisBus } from '../../src/drivers/bus/redis/redis-bus.ts';
import { systemClock } from '../../src/start/system-clock.ts';
import { engines } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { openRedisNodes } from '../support/redis-nodes.ts';
import { busContract } from './bus-contract.ts';

busContract('redis', async (count) => {
  const opened = await openRedisNodes(count, engines.redis());
  const nodes = opened.nodes.map(
    ({ connection, name, log }) => new RedisBus({ connection, key: opened.key, node: name, clock: systemClock, log }),
  );
  for (const bus of nodes) await eventually('the bus is here', () => bus.reach === 'here');
  return {
    ...opened,
    nodes,
    close: async () => {
      await Promise.all(nodes.map((it) => it.close()));
      await opened.close();
    },
  };
});
