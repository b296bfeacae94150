/**
 * A process that uses all of Redis without a pause, with nobody to catch what it leaves unheard: it lives as long as
 * nothing does. Prints a line of JSON every now and then.
 */
import { RedisBus } from '../../src/drivers/bus/redis/redis-bus.ts';
import { RedisLimits } from '../../src/drivers/limits/redis/redis-limits.ts';
import { RedisPresence } from '../../src/drivers/presence/redis/redis-presence.ts';
import { RedisConnection } from '../../src/platform/redis-connection.ts';
import { systemClock } from '../../src/start/system-clock.ts';

const [url = '', key = '', node = ''] = process.argv.slice(2);
const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const connection = RedisConnection.open({ url, log });
const shared = { connection, key, node, clock: systemClock, log };
const bus = new RedisBus(shared);
const presence = new RedisPresence(shared);
const limits = new RedisLimits({ ...shared, instances: 2 });
let rejected = 0;
let turns = 0;
const count = (): void => {
  rejected += 1;
};

bus.listen({ onRoom: () => {}, onNode: () => {}, onSuspect: () => {} });
setInterval(() => {
  turns += 1;
  const room = `room ${turns % 50}`;
  bus.subscribe([room]).catch(count);
  bus.publish(room, { kind: 'read', user: node, seq: turns });
  bus.broadcast({ kind: 'revoked', user: node });
  if (turns % 3 === 0) bus.unsubscribe(`room ${(turns + 25) % 50}`);
  const user = `user ${turns % 20}`;
  (turns % 40 < 20 ? presence.enter(user) : presence.exit(user)).catch(count);
  presence.online([user]).catch(count);
  limits.take(user, { count: 20, windowMs: 1000 }).catch(count);
  limits.refund(user, { count: 20, windowMs: 1000 });
}, 5);
setInterval(() => {
  const { reach } = bus;
  const { failures } = connection;
  const rss = Math.round(process.memoryUsage.rss() / 1024);
  process.stdout.write(`${JSON.stringify({ reach, turns, rejected, failures, rss })}\n`);
}, 50);
