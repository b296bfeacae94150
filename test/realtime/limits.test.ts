import { strict as assert } from 'node:assert';
import { once } from 'node:events';
import { request } from 'node:http';
import { type AddressInfo, createServer, Server as NetServer } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { joinRoom } from '../../src/chat/manage-members.ts';
import type { RoomId } from '../../src/chat/model.ts';
import { takeOver } from '../../src/realtime/session-router.ts';
import { NAMESPACE } from '../../src/wire/socket.ts';
import { eventually } from '../support/eventually.ts';
import { openEngine, POLLING_PATH, type RawEngine } from '../support/raw-engine.ts';
import { openTestRealtime, type TestRealtime, type TestRealtimeOptions } from '../support/test-realtime.ts';

let test: TestRealtime;
let room: RoomId;
const reopen = async (options: TestRealtimeOptions): Promise<void> => {
  await test.close();
  test = await openTestRealtime(options);
  room = await test.room('ann');
};
beforeEach(async () => {
  test = await openTestRealtime();
});
afterEach(() => test.close());

const connectRaw = async (user: string): Promise<RawEngine> => {
  await joinRoom(test.chat, test.account(user), room);
  const raw = openEngine(test.port);
  await raw.opened();
  raw.send(`40${NAMESPACE},${JSON.stringify({ token: test.addAccount(user) })}`);
  await raw.packet((it) => it.startsWith(`42${NAMESPACE},["chatroom",{"id":"${room}"`));
  return raw;
};

/** Sends pongs, as if somebody were there. */
const pretend = (raw: RawEngine): (() => void) => {
  const timer = setInterval(() => raw.send('3'), 20);
  return () => clearInterval(timer);
};

describe('a client that does not read', () => {
  it.each([
    ['too many bytes', { bytes: 256 * 1024, ms: 60_000 }],
    ['too long', { bytes: 1024 ** 3, ms: 500 }],
  ])(
    'is cut when it leaves %s, whatever its pongs say, and nobody else is',
    async (_what, unread) => {
      await reopen({ realtime: { unread } });
      const ann = await test.connect('ann');
      const slow = await connectRaw('slow');
      slow.pause();
      const stop = pretend(slow);
      const text = 'x'.repeat(16_000);
      let sent = 0;
      while (test.cuts() === 0) {
        assert.ok(sent < 3000, 'it is never cut');
        for (let n = 0; n < 10; n += 1, sent += 1) await test.post('ann', room, text);
        await ann.settled();
      }
      await eventually('only one is left', () => test.connections() === 1);
      await ann.push('message', (it) => it.seq === sent);
      assert.equal(test.cuts(), 1);
      stop();
      slow.destroy();
      ann.socket.disconnect();
      await test.assertReleased();
    },
    30_000,
  );

  it('is told to resume when it reads on in time', async () => {
    await reopen({ realtime: { unread: { bytes: 64 * 1024, ms: 60_000 } } });
    const slow = await connectRaw('slow');
    slow.pause();
    while (test.cuts() === 0) await test.post('ann', room, 'x'.repeat(16_000));
    slow.resume();
    const resync = await slow.packet((it) => it.startsWith(`42${NAMESPACE},["resync",`));
    assert.equal(resync, `42${NAMESPACE},["resync",{"rooms":["${room}"]}]`);
    await slow.closed();
    await test.assertReleased();
  }, 30_000);

  it('is not cut for always having something to read', async () => {
    await reopen({ realtime: { unread: { bytes: 1024 * 1024, ms: 200 } } });
    const ann = await test.connect('ann');
    const bob = await connectRaw('bob');
    const until = performance.now() + 1500;
    while (performance.now() < until) await test.post('ann', room, 'x'.repeat(1000));
    await ann.settled();
    assert.deepEqual([test.cuts(), bob.isClosed(), test.connections()], [0, false, 2]);
    bob.destroy();
  });

  it('that vanished without a word is noticed', async () => {
    await reopen({ realtime: { pingIntervalMs: 100, pingTimeoutMs: 200 } });
    const ann = await test.connect('ann');
    const mute = await connectRaw('mute');
    await ann.push('status', (it) => it.user === 'mute' && it.status === 1);
    await ann.push('status', (it) => it.user === 'mute' && it.status === 2);
    await mute.closed();
    await ann.settled();
  });
});

describe('draining', () => {
  it('sends clients elsewhere, spread over the window, the newest first, and they come back by themselves', async () => {
    const users = ['a', 'b', 'c', 'd'];
    const clients = [];
    for (const user of users) {
      clients.push(
        await test.connect(user, { reconnection: true, reconnectionDelay: 5000, reconnectionDelayMax: 5000 }),
      );
    }
    const cuts: string[] = [];
    for (const { socket, user } of clients) socket.on('disconnect', () => cuts.push(user));
    const startedAt = performance.now();
    const drained = test.realtime.drain(600, Number.POSITIVE_INFINITY);
    assert.equal(await clients[3]?.gone(), 'transport close');
    assert.ok(performance.now() - startedAt < 300);
    await drained;
    assert.ok(performance.now() - startedAt >= 400);
    for (const client of clients) {
      assert.equal(await client.gone(), 'transport close'); // and not by the server, which clients take as final
      const [drain] = client.pushes('drain');
      assert.ok(drain && drain.retryAfterMs >= 0 && drain.retryAfterMs <= 500);
      assert.equal(client.socket.active, true);
    }
    assert.deepEqual(cuts, users.toReversed());
    await test.assertReleased();
  });

  it('leaves those alone whose connections were handed over, though the server has closed', async () => {
    const door = createServer((socket) => takeOver(test.server, Buffer.alloc(0), socket));
    await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve));
    const { port } = door.address() as AddressInfo;
    const raw = openEngine(port);
    await raw.opened();
    const closed = once(test.server, 'close'); // it knows of no connection
    NetServer.prototype.close.call(test.server);
    await closed;
    raw.send(`40${NAMESPACE},${JSON.stringify({ token: test.addAccount('ann') })}`);
    await raw.packet((it) => it.startsWith(`42${NAMESPACE},["authentication"`));
    await test.realtime.drain(0, Number.POSITIVE_INFINITY);
    await raw.packet((it) => it.startsWith(`42${NAMESPACE},["drain"`));
    await raw.closed();
    await new Promise((resolve) => door.close(resolve));
  });

  it('lets nobody in any more, in a way that makes clients try again', async () => {
    const ann = test.open(test.addAccount('ann'), {
      reconnection: true,
      reconnectionDelay: 20,
      reconnectionDelayMax: 20,
    });
    const { validate } = test.chat.accounts;
    let go = (): void => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    let asked = false;
    test.chat.accounts.validate = async (token) => {
      asked = true;
      await gate;
      return validate(token);
    };
    let tries = 0;
    ann.io.on('reconnect_attempt', () => {
      tries += 1;
    });
    ann.connect();
    await eventually('ann is on the way in', () => asked);
    await test.realtime.drain(0, Number.POSITIVE_INFINITY);
    go();
    await eventually('ann tries again and again', () => tries >= 3);
    assert.deepEqual([ann.active, ann.connected], [true, false]);
    ann.disconnect();
    await test.assertReleased();
    const answer = await fetch(`${test.url}${POLLING_PATH}`);
    assert.deepEqual([answer.status, answer.headers.get('retry-after')], [503, '1']);
    await answer.body?.cancel();
  });

  it('breaks off nothing that a polling client is posting', async () => {
    const opened = await (await fetch(`${test.url}${POLLING_PATH}`)).text();
    const { sid }: { sid: string } = JSON.parse(opened.slice(1));
    const post = request(`${test.url}${POLLING_PATH}&sid=${sid}`, {
      method: 'POST',
      agent: false,
      headers: { 'Content-Type': 'text/plain', 'Content-Length': 7 },
    });
    const answered = once(post, 'response');
    const begun = once(test.server, 'request');
    post.write('6\u001e6\u001e');
    await begun;
    await setImmediate(); // Engine.IO has taken it
    const drained = test.realtime.drain(0, Number.POSITIVE_INFINITY);
    post.end('6\u001e6');
    const [answer] = await answered;
    assert.equal(answer.statusCode, 200);
    answer.resume();
    const closed = await fetch(`${test.url}${POLLING_PATH}&sid=${sid}`);
    assert.equal((await closed.text()).split('\u001e').at(-1), '1');
    await drained;
  });

  it('closes the others when it is closed', async () => {
    const ann = await test.connect('ann', { transports: ['polling'] });
    const bob = await test.connect('bob');
    test.realtime.close();
    for (const it of [ann, bob]) assert.match(await it.gone(), /^transport (close|error)$/);
  });
});

describe('polling', () => {
  it('carries everything, through the upgrade too', async () => {
    room = await test.room('ann');
    await joinRoom(test.chat, test.account('bob'), room);
    const [polling, upgrading] = [
      await test.connect('ann', { transports: ['polling'] }),
      await test.connect('bob', { transports: ['polling', 'websocket'] }),
    ];
    for (let n = 1; n <= 200; n += 1) await test.post('ann', room, `${n}`);
    assert.equal(upgrading.socket.io.engine.transport.name, 'websocket');
    for (const client of [polling, upgrading]) {
      await client.push('message', (it) => it.seq === 200);
      assert.deepEqual(
        client.pushes('message').map((it) => it.seq),
        Array.from({ length: 200 }, (_, at) => at + 1),
      );
    }
    await polling.done('message', { chatroom: room, message: 'x' });
  });
});
