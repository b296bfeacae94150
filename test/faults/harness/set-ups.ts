import { databaseAt, type Engine, startMongodb, startRabbitmq, startRedis } from '../../support/engines.ts';
import type { SpawnedServer } from '../../support/spawn-server.ts';
import type { TestBed } from '../../support/test-bed.ts';

const ENV = { INSTANCES: '3', LOG: 'warn' } as const;

export interface Production {
  readonly server: SpawnedServer;
  readonly redis: Engine;
  readonly mongodb: Engine;
}

/** Three workers on SQLite and what a machine has by itself. */
export async function startEmbedded(bed: TestBed): Promise<{ readonly server: SpawnedServer }> {
  const server = await bed.server(ENV);
  await server.workers();
  return { server };
}

/**
 * Three workers on Redis, MongoDB and RabbitMQ. Redis and MongoDB are this run's own, to be killed and frozen; RabbitMQ,
 * which takes longest to start, is the one of all tests where there is one.
 */
export async function startProduction(bed: TestBed): Promise<Production> {
  const own = async (start: () => Promise<Engine>): Promise<Engine> => bed.own(await start(), (it) => it.stop());
  const { TEST_AMQP_URL } = process.env;
  const [redis, mongodb, broker] = await Promise.all([
    own(startRedis),
    own(startMongodb),
    TEST_AMQP_URL ? { url: TEST_AMQP_URL } : own(startRabbitmq),
  ]);
  const name = `faults-${redis.port}`;
  const server = await bed.server({
    ...ENV,
    REDIS_URL: redis.url,
    MONGODB_URI: databaseAt(mongodb.url, name),
    AMQP_URL: broker.url,
    AMQP_QUEUE: `${name}-chat`,
    AMQP_BOT_QUEUE_BOT: `${name}-bots`,
  });
  await server.workers();
  return { server, redis, mongodb };
}
