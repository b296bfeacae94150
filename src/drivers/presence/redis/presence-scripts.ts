/**
 * All keys of presence lie in one slot (a hash tag), so that a script may touch them together:
 *
 * - `counts`, a hash: of each user who is online, on how many nodes;
 * - `nodes`, a sorted set: each node by the end of its lease;
 * - `gone`, a sorted set: users who went offline without a word, by the round in which it was found out;
 * - `clock`, a hash: `now`, the time leases are measured in, `seen`, the time of day it was set at, and `round`;
 * - `on:<node>`, a set for each node: its users.
 *
 * A lease is not measured by the time of day: that jumps for everybody when Redis was frozen, or comes back with what it
 * had kept, and the first node to return would bury all others. `now` goes on by what has passed since somebody last
 * looked, at most by half a lease at a time: while nobody could renew, nobody is late.
 *
 * A node's users are counted only while the node has a lease; both go together. So nothing is left of a node that wrote
 * once more after it was buried.
 */

/** As KEYS of all scripts; the set of the node comes last. */
export const keysOf = (key: string, node: string): string[] =>
  ['counts', 'nodes', 'gone', 'clock', `on:${node}`].map((it) => `${prefixOf(key)}${it}`);

export const prefixOf = (key: string): string => `${key}:{presence}:`;

export const NUMBER_OF_KEYS = 5;

/**
 * ARGV: the node, its lease in ms (0 gives it up), the last round it has heard of (-1: none), how long all is kept after
 * nobody is there to renew it, the prefix of the keys, how long those who are gone are told. Buries the nodes whose
 * leases are over. Gives whether the node had a lease, the round, and who is gone since the last one.
 */
export const RENEW = `
local counts, nodes, gone, clock = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local node, lease, last, keep = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local day = time[1] * 1000 + math.floor(time[2] / 1000)
local seen = tonumber(redis.call('HGET', clock, 'seen') or day)
local now = tonumber(redis.call('HGET', clock, 'now') or 0)
local round = tonumber(redis.call('HGET', clock, 'round') or 0)
now = now + math.max(0, math.min(day - seen, math.floor(lease / 2)))
local known = redis.call('ZSCORE', nodes, node)
redis.call('ZADD', nodes, lease > 0 and now + lease or now - 1, node)
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', nodes, '-inf', now)) do
  local set = ARGV[5] .. 'on:' .. dead
  round = round + 1
  for _, user in ipairs(redis.call('SMEMBERS', set)) do
    if redis.call('HINCRBY', counts, user, -1) <= 0 then
      redis.call('HDEL', counts, user)
      redis.call('ZADD', gone, round, user)
      redis.call('PEXPIRE', gone, ARGV[6])
    end
  end
  redis.call('DEL', set)
  redis.call('ZREM', nodes, dead)
end
redis.call('HSET', clock, 'now', string.format('%.0f', now), 'seen', string.format('%.0f', day), 'round', round)
for _, key in ipairs({ counts, nodes, clock, KEYS[5] }) do redis.call('PEXPIRE', key, keep) end
local told = {}
if last > round then last = 0 end
if last >= 0 then told = redis.call('ZRANGEBYSCORE', gone, '(' .. last, '+inf') end
return { known and 1 or 0, round, told }
`;

/**
 * ARGV: the node, how long all is kept (as above), how long those who are gone are told (0: not at all), how many of the
 * users that follow have come; the rest has gone. Gives for each 1 when that changed the user's presence everywhere,
 * else 0; nothing is done and nothing given when the node has no lease.
 */
export const WRITE = `
local counts, nodes, gone, clock, set = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local told, coming = tonumber(ARGV[3]), tonumber(ARGV[4])
if not redis.call('ZSCORE', nodes, ARGV[1]) then return false end
local changed, round = {}, nil
for at = 5, #ARGV do
  local user, change = ARGV[at], 0
  if at - 4 <= coming then
    if redis.call('SADD', set, user) == 1 and redis.call('HINCRBY', counts, user, 1) == 1 then
      change = 1
      redis.call('ZREM', gone, user)
    end
  else
    if redis.call('SREM', set, user) == 1 and redis.call('HINCRBY', counts, user, -1) <= 0 then
      change = 1
      redis.call('HDEL', counts, user)
    end
    if told > 0 and redis.call('HEXISTS', counts, user) == 0 then
      round = round or redis.call('HINCRBY', clock, 'round', 1)
      redis.call('ZADD', gone, round, user)
      redis.call('PEXPIRE', gone, told)
    end
  end
  changed[at - 4] = change
end
redis.call('PEXPIRE', set, ARGV[2], 'NX')
return changed
`;
