import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import type { Ack, ChatClient } from '../support/chat-client.ts';
import { createGuest, createRoom, type Guest, joinRoom, readHistory, rest } from '../support/rest.ts';
import type { SpawnedServer } from '../support/spawn-server.ts';
import { TestBed } from '../support/test-bed.ts';

const LIMIT = 20;

describe('limits and idempotency over three workers', () => {
  const bed = new TestBed();
  let server: SpawnedServer;
  let owner: Guest;
  let room: string;

  beforeAll(async () => {
    // The default is in force; the window is longer, so that a busy machine does not pass its end.
    server = await bed.server({ INSTANCES: '3', RATE_MESSAGES: `${LIMIT}/1m` });
    owner = await createGuest(server.url, 'Owner');
    room = await createRoom(server.url, owner.token, 'Limits');
  }, 60_000);
  afterAll(() => bed.close(), 30_000);

  const member = async (name: string): Promise<Guest> => {
    const guest = await createGuest(server.url, name);
    await joinRoom(server.url, guest.token, room);
    return guest;
  };
  const sockets = async (guest: Guest): Promise<ChatClient[]> => {
    const clients = await bed.clientsOnAllWorkers(server, guest.token, 8);
    assert.equal(new Set(clients.map((it) => it.node)).size, 3);
    return clients;
  };
  const say = (client: ChatClient | undefined, message: string, clientId: string): Promise<Ack> => {
    assert.ok(client);
    return client.call('message', { chatroom: room, message, clientId });
  };

  it('accepts exactly as many messages of one user as the limit says, over 8 sockets on all workers', async () => {
    const clients = await sockets(await member('Loud'));
    const tries = await Promise.all(
      Array.from({ length: 200 }, async (_, n) => {
        const clientId = `loud ${n}`;
        return { clientId, n, ack: await say(clients[n % clients.length], `n ${n}`, clientId) };
      }),
    );
    const accepted = tries.filter((it) => it.ack.error === 0);
    assert.equal(accepted.length, LIMIT);
    for (const { ack } of tries) {
      if (ack.error === 0) continue;
      assert.deepEqual(
        { error: ack.error, code: ack.code, retry: ack.retry },
        { error: 429, code: 'rate_limited', retry: true },
      );
      assert.ok((ack.retryAfterMs ?? 0) > 0);
    }
    const stored = (await readHistory(server.url, owner.token, room)).filter((it) => it.clientId?.startsWith('loud'));
    assert.deepEqual(new Set(stored.map((it) => it.clientId)), new Set(accepted.map((it) => it.clientId)));

    // Whoever has a receipt may have it again, on any worker, while nothing new is accepted.
    const replays = await Promise.all(
      accepted.map(({ clientId, n }) => say(clients[(n + 1) % clients.length], `n ${n}`, clientId)),
    );
    for (const [at, replay] of replays.entries()) {
      const { id, seq } = accepted[at]?.ack ?? {};
      assert.deepEqual(
        { ...replay, createdAt: undefined },
        { error: 0, id, seq, replayed: true, createdAt: undefined },
      );
    }
    const { status, headers } = await rest(server.url, `POST /v1/chat/rooms/${room}/messages`, {
      token: (await createGuest(server.url, 'No member')).token,
      body: { message: 'x' },
    });
    assert.equal(status, 403);
    assert.equal(headers['retry-after'], undefined);
    assert.equal((await say(clients[0], 'new', randomUUID())).error, 429);
  }, 40_000);

  it('counts replays for nothing', async () => {
    const [first, second, third] = await sockets(await member('Repeating'));
    const ids = Array.from({ length: LIMIT }, (_, n) => `repeating ${n}`);
    const half = ids.slice(0, LIMIT / 2);
    for (const id of half) assert.equal((await say(first, id, id)).error, 0);
    for (let round = 0; round < 5; round += 1) {
      const replays = await Promise.all(half.map((id, n) => say([second, third][n % 2], id, id)));
      assert.ok(replays.every((it) => it.error === 0 && it.replayed === true));
    }
    for (const id of ids.slice(LIMIT / 2)) assert.equal((await say(third, id, id)).error, 0);
    assert.equal((await say(second, 'one too many', randomUUID())).error, 429);
  }, 40_000);

  it('stores one clientId once, whatever workers and doors it comes through at the same time', async () => {
    const guest = await member('Twice');
    const clients = await sockets(guest);
    const post = (message: string, key: string) =>
      rest<{ id: string; seq: number; createdAt: string; error?: number }>(
        server.url,
        `POST /v1/chat/rooms/${room}/messages`,
        {
          token: guest.token,
          body: { message },
          headers: { 'idempotency-key': key },
        },
      );
    for (let round = 0; round < 5; round += 1) {
      const clientId = `twice ${round}`;
      const [acks, answers] = await Promise.all([
        Promise.all(clients.map((it) => say(it, 'the same', clientId))),
        Promise.all(Array.from({ length: 6 }, () => post('the same', clientId))),
      ]);
      const receipts = [...acks, ...answers.map((it) => it.body)].map(
        (it) => `${it.id} ${it.seq} ${Reflect.get(it, 'createdAt')}`,
      );
      assert.equal(new Set(receipts).size, 1, receipts.join('\n'));
      const created = answers.filter((it) => it.status === 201).length + acks.filter((it) => !it.replayed).length;
      assert.equal(created, 1);
      assert.ok(
        answers.every(
          (it) => it.status === 201 || (it.status === 200 && it.headers['idempotency-replayed'] === 'true'),
        ),
      );

      const [other, ack] = await Promise.all([post('another', clientId), say(clients[round], 'another', clientId)]);
      assert.deepEqual([other.status, other.body.error, ack.error], [422, 608, 608]);
    }
    const stored = (await readHistory(server.url, owner.token, room)).filter((it) => it.clientId?.startsWith('twice'));
    assert.equal(stored.length, 5);
    // The others of the same name are other messages.
    const [stranger] = await sockets(await member('Other author'));
    assert.equal((await say(stranger, 'another', 'twice 0')).replayed, undefined);
  }, 40_000);
});
