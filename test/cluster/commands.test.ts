import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import type { ChatClient } from '../support/chat-client.ts';
import { eventually } from '../support/eventually.ts';
import { type QuoteServer, startQuoteServer } from '../support/quote-server.ts';
import { createGuest, createRoom, expectStatus, type Guest, readHistory, rest } from '../support/rest.ts';
import type { SpawnedServer } from '../support/spawn-server.ts';
import { TestBed } from '../support/test-bed.ts';

const REPLY_MS = 10_000;
/** The stock bot itself waits 4 s for its source. */
const SLOW_MS = 8000;

describe('bot commands on three workers', () => {
  let bed: TestBed;
  let quotes: QuoteServer;
  let server: SpawnedServer;
  let owner: Guest;
  let room: string;
  let clients: ChatClient[];

  const start = async (env: Record<string, string> = {}): Promise<void> => {
    server = await bed.server({ INSTANCES: '3', STOCK_URL: quotes.url, ...env });
    owner = await createGuest(server.url, 'Owner');
    room = await createRoom(server.url, owner.token, 'Commands');
    clients = await bed.clientsOnAllWorkers(server, owner.token, 4);
    for (const client of clients) await client.follow(room);
  };
  const answersTo = async (id: string | undefined) =>
    (await readHistory(server.url, owner.token, room)).filter((it) => it.inReplyTo === id);
  const answerTo = (id: string | undefined, withinMs = REPLY_MS) =>
    eventually('the answer is there', async () => (await answersTo(id))[0], withinMs);

  beforeEach(async () => {
    bed = new TestBed();
    quotes = await startQuoteServer();
    bed.own(quotes, (it) => it.close());
  });
  afterEach(() => bed.close(), 30_000);

  it('answers /hello and /stock once, whatever worker and door they come through; unknown words are refused', async () => {
    await start();
    for (const client of clients) {
      const hello = await client.send(room, `/hello=worker ${client.node}`);
      assert.equal(hello.command, 'hello');
      assert.equal(hello.seq, undefined);
      assert.match((await answerTo(hello.id))?.message ?? '', new RegExp(`worker ${client.node}`));
      const stock = await client.send(room, '/stock=aapl.us');
      assert.match((await answerTo(stock.id))?.message ?? '', /^AAPL\.US quote is \$93\.42 per share$/);
    }
    const posted = await expectStatus(
      202,
      rest<{ id: string; command: string }>(server.url, `POST /v1/chat/rooms/${room}/messages`, {
        token: owner.token,
        body: { message: '/HELLO  REST' },
      }),
    );
    assert.equal(posted.body.command, 'hello');
    assert.match((await answerTo(posted.body.id))?.message ?? '', /REST/);
    const [client] = clients;
    assert.ok(client);
    assert.equal((await client.call('message', { chatroom: room, message: '/nobody knows' })).error, 611);
    assert.equal((await client.send(room, '//hello')).seq !== undefined, true);

    const history = await readHistory(server.url, owner.token, room);
    assert.equal(history.length, clients.length * 2 + 2, 'nothing but the answers and the text');
    assert.equal(new Set(history.map((it) => it.inReplyTo)).size, history.length);
    assert.equal(history.at(-1)?.message, '/hello');
    await eventually('everybody saw the answers', () =>
      clients.every((it) => it.appliedOf(room)?.length === history.length),
    );
  }, 40_000);

  it('says so when the source of quotes is slow', async () => {
    await start();
    quotes.held = true;
    const { id } = (await clients[0]?.send(room, '/stock=slow.us')) ?? {};
    assert.match((await answerTo(id, SLOW_MS))?.message ?? '', /does not answer/);
    assert.equal(quotes.asked.length, 1);
  }, 40_000);

  it('tells the sender on every socket that nobody answered in time, and shows the late answer', async () => {
    await start({ BOT_REPLY_TIMEOUT_MS: '1000' });
    quotes.held = true;
    const other = await createGuest(server.url, 'Other');
    const bystander = await (await bed.client(server.url, other.token).online()).follow(room);
    const { id } = (await clients[0]?.send(room, '/stock=late.us')) ?? {};
    await eventually('told', () => clients.every((it) => it.pushesOf('failure').length > 0), 5000);
    for (const client of clients) {
      const failures = client.pushesOf('failure').map(({ event, error, id }) => ({ event, error, id }));
      assert.deepEqual(failures, [{ event: 'message', error: 611, id }]);
    }
    const late = await answerTo(id, SLOW_MS);
    await eventually('shown', () => bystander.appliedOf(room)?.some((it) => it.id === late?.id), SLOW_MS);
    assert.deepEqual(bystander.pushesOf('failure'), []);
  }, 40_000);

  it('answers exactly once though the worker that took the command dies at once, and the one that runs it too', async () => {
    await start();
    quotes.held = true;
    const [client] = clients;
    assert.ok(client);
    const { id } = await client.send(room, '/stock=twice.us', 'one command');
    const first = (await server.workers()).get(client.node) ?? 0;
    process.kill(first, 'SIGKILL');
    await eventually('it is gone', () => !server.workerPids().includes(first));
    await eventually('a bot asks for the quote', () => quotes.waiting > 0, REPLY_MS);
    // Whoever runs it, it is killed now.
    const pids = server.workerPids();
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    quotes.held = false;
    const answer = await answerTo(id, 20_000);
    assert.match(answer?.message ?? '', /TWICE\.US quote is \$93\.42/);
    const workers = await server.workers();
    assert.deepEqual(
      [...workers.values()].filter((it) => pids.includes(it)),
      [],
    );
    assert.ok(quotes.asked.length >= 2, 'it was run again');

    // The same command again is the same command; a later one proves that nothing else was on its way before it.
    await client.online();
    assert.equal((await client.send(room, '/stock=twice.us', 'one command')).id, id);
    const later = await client.send(room, '/hello=later');
    await answerTo(later.id);
    assert.equal((await answersTo(id)).length, 1);
    assert.deepEqual(client.pushesOf('failure'), []);
  }, 60_000);
});
