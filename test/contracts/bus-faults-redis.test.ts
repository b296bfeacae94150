import { strict as assert } from 'node:assert';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { Redis } from 'ioredis';

import type { NodeEvent, RoomEvent } from '../../src/chat/ports/bus.ts';
import { RedisBus } from '../../src/drivers/bus/redis/redis-bus.ts';
import { systemClock } from '../../src/start/system-clock.ts';
import { type Engine, startRedis } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { openRedisNodes, type RedisNode, type RedisNodes } from '../support/redis-nodes.ts';

/** What a busy machine may add to a time that is promised. */
const SLACK_MS = 1000;
const event = (seq: number): RoomEvent => ({ kind: 'read', user: 'u', seq });
interface Heard {
  readonly bus: RedisBus;
  readonly node: RedisNode;
  readonly seqs: [string, number][];
  readonly events: NodeEvent[];
  suspicions: number;
}

describe('RedisBus', () => {
  let redis: Engine;
  let opened: RedisNodes | undefined;
  let all: Heard[];

  beforeEach(async () => {
    redis = await startRedis();
    all = [];
  });
  afterEach(async () => {
    await Promise.all(all.map((it) => it.bus.close()));
    await opened?.close();
    opened = undefined;
    await redis.stop();
  });

  /** Buses that are not connected yet. */
  const openBuses = async (count: number): Promise<Heard[]> => {
    opened = await openRedisNodes(count, redis.url);
    const { key } = opened;
    all = opened.nodes.map((node) => {
      const { connection, name, log } = node;
      const bus = new RedisBus({ connection, key, node: name, clock: systemClock, log });
      const heard: Heard = { bus, node, seqs: [], events: [], suspicions: 0 };
      bus.listen({
        onRoom: (room, it) => void heard.seqs.push([room, it.kind === 'read' ? it.seq : 0]),
        onNode: (it) => void heard.events.push(it),
        onSuspect: () => {
          heard.suspicions += 1;
        },
      });
      return heard;
    });
    return all;
  };
  const allAre = (reach: string, withinMs: number): Promise<boolean> =>
    eventually(`every bus is ${reach}`, () => all.every((it) => it.bus.reach === reach), withinMs);
  const two = async (): Promise<[Heard, Heard]> => {
    const [a, b] = await openBuses(2);
    assert.ok(a && b);
    await allAre('here', 5000);
    return [a, b];
  };
  /** Everybody suspects now and again, at least every second, as far as can be seen. */
  const keepsSuspecting = async (): Promise<void> => {
    for (const it of all) {
      const before = it.suspicions;
      await eventually('suspected twice more', () => it.suspicions >= before + 2, 2000 + SLACK_MS);
    }
  };
  const caughtUp = async (from: Heard, to: Heard, room: string): Promise<void> => {
    const seq = Math.floor(Math.random() * 1e9);
    from.bus.publish(room, event(seq));
    await eventually(`${room} is heard`, () => to.seqs.some(([of, it]) => of === room && it === seq));
  };

  it('goes on after Redis was killed and came back empty', async () => {
    const [a, b] = await two();
    await b.bus.subscribe(['room', 'left']);
    await caughtUp(a, b, 'room');
    await redis.kill();
    await allAre('away', 1000 + SLACK_MS);
    await keepsSuspecting();

    const startedAt = performance.now();
    for (let seq = 0; seq < 20_000; seq += 1) a.bus.publish('room', event(seq));
    await b.bus.subscribe(['later']);
    b.bus.unsubscribe('left');
    assert.ok(performance.now() - startedAt < 500, 'nothing waits for Redis');
    assert.equal(a.bus.counts.lost, 20_000);

    await redis.restart();
    const before = all.map((it) => it.suspicions);
    await allAre('here', 3000);
    for (const [at, it] of all.entries()) assert.ok(it.suspicions > (before[at] ?? 0), 'told once more');
    for (const room of ['room', 'later']) await caughtUp(a, b, room);
    b.bus.broadcast({ kind: 'revoked', user: 'u' });
    await eventually('the node hears', () => a.events.length > 0);
    a.bus.publish('left', event(1));
    await caughtUp(a, b, 'room');
    assert.ok(!b.seqs.some(([room]) => room === 'left'));
  }, 30_000);

  it('goes on hearing all when the last room was left before the connection broke', async () => {
    const [a, b] = await two();
    await b.bus.subscribe(['room']);
    b.bus.unsubscribe('room');
    b.node.gate.cut();
    await eventually('away', () => b.bus.reach === 'away');
    await allAre('here', 3000);
    a.bus.broadcast({ kind: 'revoked', user: 'u' });
    await eventually('the node hears', () => b.events.length > 0);
  }, 15_000);

  it('notices that Redis is frozen, waits for nothing, and is back soon after', async () => {
    const [a, b] = await two();
    await b.bus.subscribe(['room']);
    redis.freeze();
    const startedAt = performance.now();
    await a.bus.subscribe(['other']);
    assert.ok(performance.now() - startedAt < 500 + SLACK_MS, 'a join does not hang');
    await allAre('away', 2000);
    const joinedAt = performance.now();
    await a.bus.subscribe(['third']);
    assert.ok(performance.now() - joinedAt < 100, 'known to be away: nobody waits');
    await keepsSuspecting();
    await sleep(Math.max(0, startedAt + 3000 - performance.now()));
    redis.thaw();
    const before = all.map((it) => it.suspicions);
    await allAre('here', 3000);
    for (const [at, it] of all.entries()) assert.ok(it.suspicions > (before[at] ?? 0), 'told once more');
    await caughtUp(a, b, 'room');
    for (const room of ['other', 'third']) await caughtUp(b, a, room);
  }, 30_000);

  it('tells the others of what a node could not say, also when only that node was cut off', async () => {
    const [a, b] = await two();
    await b.bus.subscribe(['room']);
    const goOn = opened?.stallNode(0);
    await eventually('away', () => a.bus.reach === 'away', 2000 + SLACK_MS);
    // Whoever is not heard of is suspected; that is another matter.
    await eventually('the silence is noticed', () => b.suspicions > 1, 2000 + SLACK_MS);
    a.bus.publish('room', event(1));
    const before = b.suspicions;
    goOn?.();
    await allAre('here', 3000);
    await eventually('the loss is told', () => b.suspicions > before, 3000);
    assert.ok(a.bus.counts.lost > 0);
    assert.equal(b.bus.reach, 'here', 'which was never away');
  }, 20_000);

  it('replaces a connection that hangs', async () => {
    const [a, b] = await two();
    await b.bus.subscribe(['room']);
    opened?.stallNode(1);
    await eventually('away', () => b.bus.reach === 'away', 2000 + SLACK_MS);
    const { gate } = b.node;
    const connections = gate.accepted;
    await eventually('both are replaced', () => gate.accepted >= connections + 2, 6000);
    gate.goOn();
    await allAre('here', 5000);
    await caughtUp(a, b, 'room');
  }, 20_000);

  it('comes up within 5 s of a Redis that was not there when it started', async () => {
    await redis.kill();
    const [a, b] = await openBuses(2);
    assert.ok(a && b);
    const startedAt = performance.now();
    await b.bus.subscribe(['room']);
    assert.ok(performance.now() - startedAt < 500);
    a.bus.publish('room', event(1));
    await keepsSuspecting();
    assert.deepEqual([a.bus.reach, a.node.connection.reach], ['never', 'never']);
    await redis.restart();
    await allAre('here', 5000);
    await caughtUp(a, b, 'room');
  }, 20_000);

  it('takes a wrong password for an outage, says so once, and never says the password', async () => {
    const admin = new Redis(redis.url);
    await admin.config('SET', 'requirepass', 'right-secret');
    opened = await openRedisNodes(1, redis.url.replace('//', '//:wrong-secret@'));
    const { connection, log } = opened.at(0);
    await eventually('it was refused', () => log.lines.some((it) => JSON.stringify(it).includes('WRONGPASS')));
    await sleep(1500);
    assert.equal(connection.reach, 'never');
    assert.deepEqual(
      log.lines.filter((it) => it.level === 'warn').map((it) => it.message),
      ['Redis is away; trying on'],
    );
    assert.ok(!JSON.stringify(log.lines).includes('secret'));
    await admin.config('SET', 'requirepass', 'wrong-secret');
    await eventually('it is let in', () => connection.reach === 'here');
    await admin.quit();
  }, 15_000);

  it('suspects once within 2 s when a node dies, and not when one says goodbye', async () => {
    const [a, b, c] = await openBuses(3);
    assert.ok(a && b && c);
    await allAre('here', 5000);
    const suspicions = (): number[] => [a.suspicions, b.suspicions];
    const before = suspicions();
    await c.bus.close();
    await opened?.killNode(2);
    await sleep(2500);
    assert.deepEqual(suspicions(), before);
    await opened?.killNode(1);
    await eventually('the suspicion', () => a.suspicions === (before[0] ?? 0) + 1, 2000 + SLACK_MS);
    await sleep(1500);
    assert.equal(a.suspicions, (before[0] ?? 0) + 1);
  }, 20_000);

  it('costs only the nodes that hear the room', async () => {
    const [a, b, c] = await openBuses(3);
    assert.ok(a && b && c);
    await allAre('here', 5000);
    await b.bus.subscribe(['room']);
    for (let seq = 0; seq < 300; seq += 1) {
      a.bus.publish('room', event(seq));
      if (seq % 3 === 2) await new Promise((resolve) => setImmediate(resolve));
    }
    await eventually('all is heard', () => b.bus.counts.heard === 300);
    a.bus.broadcast({ kind: 'revoked', user: 'u' });
    await eventually('it hears what is for all', () => c.bus.counts.heard > 0);
    assert.deepEqual(c.bus.counts, { published: 0, lost: 0, heard: 1, echoes: 0 });
    assert.equal(a.bus.counts.echoes, 1, 'only what is for all comes back');
    const admin = new Redis(redis.url);
    const stats = await admin.info('commandstats');
    const calls = Number(/cmdstat_spublish:calls=(\d+)/.exec(stats)?.[1]);
    assert.ok(calls < 200, `what is said in one turn is one command: ${calls}`);
    await admin.quit();
  }, 20_000);

  it('is not led astray by what strangers say', async () => {
    const [a, b] = await two();
    await b.bus.subscribe(['room']);
    const stranger = new Redis(redis.url);
    for (const text of ['', ' ', 'x', 'x e', 'x e{', 'x b', 'x q', 'x z1', 'x e[]', '\u0000']) {
      await stranger.spublish(`${opened?.key}:room:room`, text);
      await stranger.spublish(`${opened?.key}:nodes`, text);
    }
    await caughtUp(a, b, 'room');
    assert.equal(b.seqs.length, 1);
    await stranger.quit();
  }, 15_000);

  describe('in a process with nobody to catch what is left unheard', () => {
    let children: ChildProcess[];

    beforeEach(() => {
      children = [];
    });
    afterEach(async () => {
      for (const child of children) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        const exited = once(child, 'exit');
        child.kill('SIGKILL');
        await exited;
      }
    });

    it('nothing ends the process, nothing is rejected, and little is kept', async () => {
      const child = startChild(redis.url);
      children.push(child.process);
      const reaches = (reach: string, withinMs: number): Promise<unknown> =>
        eventually(`the child is ${reach}`, () => child.last().reach === reach, withinMs);
      await reaches('here', 15_000);
      const rssBefore = child.rss();
      const faults: (() => Promise<void>)[] = [
        () => redis.kill(),
        async () => redis.freeze(),
        () => redis.kill(),
        async () => redis.freeze(),
      ];
      for (const fault of faults) {
        await fault();
        await reaches('away', 2000 + SLACK_MS);
        const { turns = 0 } = child.last();
        await eventually('it works on', () => Number(child.last().turns) > Number(turns) + 100, 10_000);
        await redis.restart();
        await reaches('here', 5000);
      }
      assert.equal(child.process.exitCode, null);
      assert.equal(child.errors(), '');
      assert.equal(child.last().rejected, 0);
      assert.ok(Number(child.last().failures) > 100, 'the faults were met');
      assert.ok(child.rss() < rssBefore + 50 * 1024, 'bounded memory');
    }, 90_000);
  });
});

function startChild(url: string) {
  const loader = fileURLToPath(new URL('../support/typescript-loader.js', import.meta.url));
  const program = fileURLToPath(new URL('../support/redis-child.ts', import.meta.url));
  const args = ['--import', loader, program, url, 'test', 'child'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let last: Record<string, unknown> = {};
  let errors = '';
  createInterface({ input: child.stdout }).on('line', (line) => {
    last = JSON.parse(line);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  return {
    process: child,
    last: () => last,
    errors: () => errors,
    /** KiB. */
    rss: () => Number(last.rss),
  };
}
