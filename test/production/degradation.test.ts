import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { Redis } from 'ioredis';
import type { ChatClient } from '../support/chat-client.ts';
import { checkLogs } from '../support/check-logs.ts';
import { databaseAt, type Engine, startMongodb, startRabbitmq, startRedis } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { createGuest, createRoom, type Guest, rest } from '../support/rest.ts';
import type { SpawnedServer } from '../support/spawn-server.ts';
import { TestBed } from '../support/test-bed.ts';

interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly string[];
  readonly degraded: readonly string[];
}

async function flush({ url }: Engine): Promise<void> {
  const redis = new Redis(url);
  try {
    await redis.flushall();
  } finally {
    redis.disconnect();
  }
}

/** What stays right while an engine is away, and how soon all is well again. */
describe('an engine that goes away', () => {
  let bed: TestBed;
  let server: SpawnedServer;
  let ada: Guest;
  let room: string;
  /** Ada's, one at least on each worker. */
  let clients: ChatClient[];

  const readiness = () => rest<Readiness>(server.url, 'GET /readyz');
  const degraded = (part: string, withinMs: number) =>
    eventually(
      `every worker sees that ${part} is away`,
      async () => {
        const { status, body } = await readiness();
        return status === 200 && body.degraded.includes(part);
      },
      withinMs,
    );
  const well = (withinMs: number) =>
    eventually(
      'all is well again',
      async () => {
        const { status, body } = await readiness();
        return status === 200 && body.degraded.length === 0;
      },
      withinMs,
    );

  async function start(env: Record<string, string>): Promise<void> {
    server = await bed.server({ INSTANCES: '2', LOG: 'warn', ...env });
    ada = await createGuest(server.url, 'Ada');
    room = await createRoom(server.url, ada.token, 'Degradation');
    clients = await bed.clientsOnAllWorkers(server, ada.token, 4);
    for (const client of clients) await client.follow(room);
  }

  /** A client on another worker than `of`. */
  function elsewhere(of: ChatClient): ChatClient {
    const found = clients.find((it) => it.node !== of.node);
    assert.ok(found);
    return found;
  }

  const holds = (client: ChatClient, text: string) =>
    client.appliedOf(room)?.some((it) => it.message === text) === true;

  async function engine(start: () => Promise<Engine>): Promise<Engine> {
    return bed.own(await start(), (it) => it.stop());
  }

  beforeEach(() => {
    bed = new TestBed();
  });
  afterEach(async () => {
    // Nobody died of it, and nobody was cut.
    assert.equal(server.hasExited, false);
    assert.doesNotMatch(server.output, /a worker died/);
    await bed.close();
  }, 60_000);

  const ways: readonly [string, (it: Engine) => Promise<void> | void, (it: Engine) => Promise<void> | void][] = [
    ['killed', (it) => it.kill(), (it) => it.restart()],
    ['frozen', (it) => it.freeze(), (it) => it.thaw()],
  ];
  for (const [way, away, back] of ways) {
    it(`Redis, ${way}: sends are acknowledged, the others hear within 2 s, all is well 3 s after it is back`, async () => {
      const redis = await engine(startRedis);
      await start({ REDIS_URL: redis.url });
      const [sender] = clients;
      assert.ok(sender);
      const other = elsewhere(sender);
      await sender.send(room, 'before');
      await eventually('the other heard it', () => holds(other, 'before'), 2000);

      await away(redis);
      await degraded('bus', 5000);
      for (let n = 0; n < 10; n += 1) {
        const sentAt = performance.now();
        await sender.send(room, `meanwhile ${n}`);
        assert.ok(performance.now() - sentAt < 1500, 'the receipt comes soon');
        await eventually('the own clients hear it at once', () => holds(sender, `meanwhile ${n}`), 500);
      }
      await eventually('the others hear it from the store', () => holds(other, 'meanwhile 9'), 2500);
      const { body } = await rest<{ stale?: boolean; count: number }>(
        server.url,
        `GET /v1/chat/rooms/${room}/presence`,
        ada,
      );
      assert.equal(body.stale, true);
      assert.equal(body.count, 1);

      await back(redis);
      await well(3500);
      await sender.send(room, 'after');
      await eventually('the other heard it', () => holds(other, 'after'), 3000);
      await checkLogs(server.url, ada.token, room, clients);
      assert.deepEqual(
        clients.flatMap((it) => it.cuts),
        [],
      );
    }, 60_000);

    it(`MongoDB, ${way}: nothing is acknowledged, connections stay, the first receipt comes 3 s after it is back`, async () => {
      const mongodb = await engine(startMongodb);
      await start({ MONGODB_URI: databaseAt(mongodb.url, 'degradation') });
      const [sender] = clients;
      assert.ok(sender);
      await sender.send(room, 'before');

      await away(mongodb);
      const sentAt = performance.now();
      const refused = await sender.call('message', { chatroom: room, message: 'meanwhile', clientId: 'meanwhile' });
      assert.ok(performance.now() - sentAt < 5000, `answered after ${performance.now() - sentAt} ms`);
      assert.equal(refused.code, 'try_again');
      assert.equal(refused.retry, true);
      const post = await rest(server.url, `POST /v1/chat/rooms/${room}/messages`, {
        token: ada.token,
        body: { message: 'meanwhile', clientId: 'meanwhile' },
      });
      assert.equal(post.status, 503);
      assert.ok(Number(post.headers['retry-after']) >= 1);
      await eventually(
        'no traffic is wanted',
        async () => {
          const { status, body } = await readiness();
          return status === 503 && body.reasons.includes('store');
        },
        5000,
      );
      assert.equal((await rest(server.url, 'GET /livez')).status, 200);

      await back(mongodb);
      const backAt = performance.now();
      await sender.send(room, 'meanwhile', 'meanwhile');
      assert.ok(performance.now() - backAt < 3000, `the first receipt came after ${performance.now() - backAt} ms`);
      await well(5000);
      const history = await checkLogs(server.url, ada.token, room, clients);
      assert.deepEqual(
        history.map((it) => it.message),
        ['before', 'meanwhile'],
      );
      assert.deepEqual(
        clients.flatMap((it) => it.cuts),
        [],
      );
    }, 60_000);
  }

  it('Redis, wiped: nothing is lost or doubled, presence is right again within 15 s', async () => {
    const redis = await engine(startRedis);
    await start({ REDIS_URL: redis.url });
    const [sender] = clients;
    assert.ok(sender);
    await sender.send(room, 'before');
    await flush(redis);
    await sender.send(room, 'after');
    const presence = () =>
      rest<{ count: number; stale?: boolean }>(server.url, `GET /v1/chat/rooms/${room}/presence`, ada);
    await eventually('presence is right', async () => (await presence()).body.count === 1, 15_000);
    await checkLogs(server.url, ada.token, room, clients);
  }, 60_000);

  for (const [way, away, back] of ways) {
    it(`RabbitMQ, ${way}: the chat is unaffected, commands are taken and run when it is back`, async () => {
      const rabbitmq = await engine(startRabbitmq);
      const env = { AMQP_URL: rabbitmq.url, BOT_REPLY_TIMEOUT_MS: '60000' };
      const bots = await bed.start(env, ['--bots']);
      await start(env);
      await eventually('the bots listen', () => /Parley bots/.test(bots.output), 15_000);
      const [sender] = clients;
      assert.ok(sender);
      const answersTo = (id: string | undefined) => sender.appliedOf(room)?.filter((it) => it.inReplyTo === id) ?? [];
      const before = await sender.send(room, '/hello=before');
      await eventually('the bot answers', () => answersTo(before.id).length === 1, 10_000);

      await away(rabbitmq);
      const sentAt = performance.now();
      const meanwhile = await sender.send(room, '/hello=meanwhile');
      await sender.send(room, 'a message');
      assert.ok(performance.now() - sentAt < 1000, 'nobody waits for the broker');
      assert.equal(meanwhile.command, 'hello');
      await degraded('broker', 30_000);

      await back(rabbitmq);
      await eventually('the bot answers what came meanwhile', () => answersTo(meanwhile.id).length > 0, 40_000);
      await well(10_000);
      const after = await sender.send(room, '/hello=after');
      await eventually('the bot answers again', () => answersTo(after.id).length > 0, 10_000);
      for (const { id } of [before, meanwhile, after]) assert.equal(answersTo(id).length, 1);
      await checkLogs(server.url, ada.token, room, clients);
    }, 120_000);
  }
});
