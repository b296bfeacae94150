import { randomUUID } from 'node:crypto';
import type { Bus } from '../chat/ports/bus.ts';
import type { Clock } from '../chat/ports/clock.ts';
import type { Limits } from '../chat/ports/limits.ts';
import type { Log } from '../chat/ports/log.ts';
import type { Presence } from '../chat/ports/presence.ts';
import type { FanoutConfig } from '../config/parse-config.ts';
import { ClusterBus } from '../drivers/bus/cluster/cluster-bus.ts';
import type { RedisBusCounts } from '../drivers/bus/redis/redis-bus.ts';
import { ClusterLimits } from '../drivers/limits/cluster/cluster-limits.ts';
import { ClusterPresence } from '../drivers/presence/cluster/cluster-presence.ts';
import type { Link } from '../platform/link.ts';
import type { Reach } from '../platform/reach.ts';
import type { Resources } from '../platform/resources.ts';

/** What nodes hear of one another and share. */
export interface Fanout {
  readonly bus: Bus;
  readonly presence: Presence;
  readonly limits: Limits;
  /** For readiness. */
  readonly reach: () => Reach;
  /** Only where there is something to count. */
  readonly counts?: () => RedisBusCounts;
}

interface FanoutParts {
  readonly link: Link;
  readonly instances: number;
  readonly clock: Clock;
  readonly held: Resources;
  readonly log: Log;
}

export async function openFanout(
  config: FanoutConfig,
  { link, instances, clock, held, log }: FanoutParts,
): Promise<Fanout> {
  switch (config.kind) {
    case 'cluster':
      return {
        bus: new ClusterBus(link),
        presence: new ClusterPresence(link),
        limits: new ClusterLimits(link),
        reach: () => 'here',
      };
    case 'redis': {
      const [{ RedisConnection }, { RedisBus }, { RedisPresence }, { RedisLimits }] = await Promise.all([
        import('../platform/redis-connection.ts'),
        import('../drivers/bus/redis/redis-bus.ts'),
        import('../drivers/presence/redis/redis-presence.ts'),
        import('../drivers/limits/redis/redis-limits.ts'),
      ]);
      // Unlike a worker's name, which is unique on its machine only.
      const node = randomUUID();
      const { url, key } = config;
      const connection = held.own('redis', RedisConnection.open({ url, log }), (it) => it.close());
      const bus = held.own('bus', new RedisBus({ connection, key, node, clock, log }), (it) => it.close());
      const presence = new RedisPresence({ connection, key, node, clock, log });
      held.own('presence', presence, (it) => it.close());
      const limits = new RedisLimits({ connection, key, instances, clock });
      return { bus, presence, limits, reach: () => bus.reach, counts: () => bus.counts };
    }
    default:
      return config satisfies never;
  }
}
