import { tryAgain } from '../../../chat/errors.ts';
import type { Clock } from '../../../chat/ports/clock.ts';
import type { Limits, Rate, Taken } from '../../../chat/ports/limits.ts';
import { SlidingWindow } from '../../../chat/sliding-window.ts';
import type { RedisConnection, RedisScript } from '../../../platform/redis-connection.ts';

/**
 * KEYS: the times of what was taken. ARGV: count, window in ms, and the time, or '' for that of Redis: one clock for all
 * nodes. Gives 0, or the ms until there is room. A time ahead of the clock is from before it was set back.
 */
const TAKE = `
local now = tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local count, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local first = tonumber(redis.call('LINDEX', KEYS[1], 0))
while first and (first <= now - window or first > now) do
  redis.call('LPOP', KEYS[1])
  first = tonumber(redis.call('LINDEX', KEYS[1], 0))
end
if redis.call('LLEN', KEYS[1]) >= count then return math.max(1, first + window - now) end
redis.call('RPUSH', KEYS[1], string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(window))
return 0
`;

export interface RedisLimitsOptions {
  readonly connection: RedisConnection;
  /** Begins the names of all keys. */
  readonly key: string;
  /** How many nodes share a limit while Redis is away. */
  readonly instances: number;
  readonly clock: Clock;
  /** Milliseconds since 1970, the same for all nodes; Redis's own time when absent. */
  readonly now?: () => number;
}

/**
 * Limits in Redis: a sliding log per key, taken from in one step. While Redis is away each node lets its share through,
 * at least one, counted in its memory; with what Redis let through before, that is at most twice the limit.
 */
export class RedisLimits implements Limits {
  readonly #connection: RedisConnection;
  readonly #prefix: string;
  readonly #instances: number;
  readonly #clock: Clock;
  readonly #now: () => number | '';
  readonly #take: RedisScript;
  readonly #own = new SlidingWindow();

  constructor({ connection, key, instances, clock, now }: RedisLimitsOptions) {
    this.#connection = connection;
    this.#prefix = `${key}:limit:`;
    this.#instances = instances;
    this.#clock = clock;
    this.#now = now ?? (() => '');
    this.#take = connection.script('parleyTake', 1, TAKE);
  }

  async take(key: string, rate: Rate): Promise<Taken> {
    if (rate === null) return { ok: true };
    try {
      const waitMs = Number(await this.#take([this.#prefix + key, rate.count, rate.windowMs, this.#now()]));
      return waitMs === 0 ? { ok: true } : { ok: false, retryAfterMs: waitMs };
    } catch (cause) {
      if (this.#connection.closed) throw tryAgain('the rate limit', cause);
      const count = Math.max(1, Math.floor(rate.count / this.#instances));
      return this.#own.take(key, { ...rate, count }, this.#clock.now());
    }
  }

  refund(key: string, rate: Rate): void {
    if (rate === null) return;
    if (this.#connection.reach !== 'here') this.#own.refund(key);
    else this.#connection.tell((client) => client.rpop(this.#prefix + key)).catch(() => {});
  }
}
