export type { Engine } from '../../scripts/engines/engine.js';
export { startMongodb } from '../../scripts/engines/mongodb.js';
export { startRabbitmq } from '../../scripts/engines/rabbitmq.js';
export { startRedis } from '../../scripts/engines/redis.js';

/**
 * The addresses of those that `npm test` has started, one of each for all test files: every file takes a database, vhost,
 * key prefix or queue of its own there, and starts an engine of its own to kill, freeze or empty it.
 */
export const engines = {
  redis: (): string => address('TEST_REDIS_URL', 'Redis'),
  mongodb: (database: string): string => databaseAt(address('TEST_MONGODB_URI', 'MongoDB'), database),
  rabbitmq: (): string => address('TEST_AMQP_URL', 'RabbitMQ'),
};

/** The address of a MongoDB with the name of a database in it. */
export const databaseAt = (url: string, database: string): string =>
  Object.assign(new URL(url), { pathname: `/${database}` }).href;

function address(variable: string, engine: string): string {
  const value = process.env[variable];
  if (value) return value;
  throw new Error(
    `${variable} is not set: run this with npm test, which starts ${engine} and sets it, or set it yourself`,
  );
}
