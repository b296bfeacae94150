import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { settle } from '../../test/support/fake-clock.ts';
import { accountOf, openTimedChat, refusal, roomOf, type TimedChat } from '../../test/support/timed-chat.ts';
import { tryAgain } from './errors.ts';
import { deleteRoom } from './manage-rooms.ts';
import type { Message } from './model.ts';
import type { NewBotCommand } from './ports/jobs.ts';
import { LATE_MS } from './ports/jobs.ts';
import { OPEN_COMMANDS_MAX } from './ports/store.ts';
import { recoverCommands } from './post-command.ts';
import { type Posted, postMessage } from './post-message.ts';
import { postReply } from './post-reply.ts';

const ana = accountOf('ana');
const REPLY_MS = 10_000;
const bot = { id: 'bot-stock', name: 'Stock bot' };

describe('commands', () => {
  let timed: TimedChat;
  let room: string;

  beforeEach(async () => {
    timed = await openTimedChat({ commands: ['stock'], nodes: 2, settings: { replyTimeoutMs: REPLY_MS } });
    room = await roomOf(timed.chat, ana);
    timed.network.takeTold();
  });
  afterEach(() => timed.close());

  const send = (text = '/stock=aapl', clientId?: string): Promise<Posted> =>
    postMessage(timed.chat, ana, room, { message: text, ...(clientId === undefined ? {} : { clientId }) });
  const queued = (): NewBotCommand => timed.queued[0] ?? assert.fail('nothing is queued');
  const reply = async (n = 0, text = `answer ${n}`, at = timed.chat) => {
    const command = await timed.test.chat.store.command(queued().id);
    assert.ok(command);
    return postReply(at, command, { bot, text, slot: String(n) });
  };
  const logOf = (): Promise<Message[]> =>
    timed.test.chat.store.messages(room, { from: 1, to: 1e9, order: 'asc', limit: 1e6 });
  const failures = (): unknown[] => timed.network.told.filter((it) => it.kind === 'failure');

  describe('are queued', () => {
    it('and not stored as messages; nobody sees them', async () => {
      const posted = await send('/Stock=aapl.us', 'c1');
      const now = timed.clock.now();
      assert.deepEqual(posted, { kind: 'command', id: posted.id, command: 'stock', replayed: false });
      assert.deepEqual(timed.queued, [
        {
          id: posted.id,
          chatroom: room,
          token: queued().token,
          message: '/Stock=aapl.us',
          command: 'stock',
          args: 'aapl.us',
          user: { id: 'ana', name: ana.name },
          deadline: now + REPLY_MS,
        },
      ]);
      assert.deepEqual(await logOf(), []);
      assert.deepEqual(timed.network.told, []);
    });

    it.each(['sender', 'room'] as const)('and shown to the %s when that is set', async (commandEcho) => {
      const chat = { ...timed.chat, settings: { ...timed.chat.settings, commandEcho } };
      const { id } = await postMessage(chat, ana, room, { message: '/stock=aapl' });
      const at = (await timed.test.chat.store.command(id))?.createdAt;
      const event = { kind: 'command', id, user: 'ana', name: ana.name, chatroom: room, message: '/stock=aapl', at };
      assert.deepEqual(timed.network.takeTold(), [{ ...event, to: commandEcho }]);
    });

    it('once per clientId, and the same key is no message’s', async () => {
      const first = await send('/stock=a', 'c1');
      assert.deepEqual(await send('/stock=a', 'c1'), { ...first, replayed: true });
      assert.equal(new Set(timed.queued.map((it) => it.id)).size, 1);
      await refusal('idempotency_conflict', send('/stock=b', 'c1'));
      await refusal('idempotency_conflict', send('text', 'c1'));
      await send('text', 'c2');
      await refusal('idempotency_conflict', send('/stock=a', 'c2'));
    });

    it('never for bots, and not when no bot knows the word', async () => {
      await refusal('cannot_send', postMessage(timed.chat, { ...ana, type: 3 }, room, { message: '/stock=a' }));
      await refusal('bot_unavailable', send('/other'));
      assert.deepEqual(timed.queued, []);
      assert.equal(timed.clock.waiting, 0);
    });

    it('when the queue is back, if they can still be answered then', async () => {
      const { queue } = timed;
      timed.queue = () => Promise.reject(new Error('no queue'));
      await send();
      await timed.clock.advance(3000);
      assert.deepEqual(timed.queued, []);
      timed.queue = queue;
      await timed.clock.advance(4000);
      assert.equal(timed.queued.length, 1);
      assert.ok(await reply());
    });

    it('ten thousand at most while the queue takes none, although the store would take more', async () => {
      const first = await send('/stock=a', 'c1');
      const taken: (() => void)[] = [];
      timed.queue = () => new Promise((resolve) => taken.push(resolve));
      timed.trouble = async (method, run) =>
        method === 'putCommand' ? { id: 'id', createdAt: '', replayed: false } : run();
      for (let n = 0; n < OPEN_COMMANDS_MAX; n += 1) await send();
      await refusal('try_again', send());
      timed.trouble = (_, run) => run();
      await refusal('try_again', send());
      assert.deepEqual(await send('/stock=a', 'c1'), { ...first, replayed: true });
      assert.equal(taken.length, OPEN_COMMANDS_MAX);
      taken[0]?.();
      await settle();
      await send();
      await refusal('try_again', send());
    }, 30_000);

    it('when the answer of the store was lost, without being sent again', async () => {
      timed.trouble = async (method, run) => {
        const done = await run();
        if (method === 'putCommand') throw tryAgain('the store');
        return done;
      };
      await refusal('try_again', send('/stock=a', 'c1'));
      assert.deepEqual(timed.queued, []);
      await timed.clock.advance(1000);
      assert.equal(timed.queued.length, 1);
      timed.trouble = (_, run) => run();
      const again = await send('/stock=a', 'c1');
      assert.deepEqual([again.id, again.replayed], [queued().id, true]);
      assert.ok(await reply());
      await timed.clock.advance(10 * LATE_MS);
      assert.deepEqual(failures(), []);
      assert.equal((await logOf()).length, 1);
    });

    it('not when they were not stored', async () => {
      timed.trouble = (method, run) => (method === 'putCommand' ? Promise.reject(tryAgain('the store')) : run());
      await refusal('try_again', send());
      await timed.clock.advance(10 * LATE_MS);
      assert.deepEqual(timed.queued, []);
      assert.deepEqual(failures(), []);
      assert.equal(timed.clock.waiting, 0);
    });

    it('again by a replay: what follows the first may have been lost with its process', async () => {
      const lost = timed.queue;
      timed.queue = async () => {};
      const first = await send('/stock=a', 'c1');
      timed.queue = lost;
      await postMessage(timed.nodes[1] ?? timed.chat, ana, room, { message: '/stock=a', clientId: 'c1' });
      await timed.clock.advance(1);
      assert.deepEqual(
        timed.queued.map((it) => it.id),
        [first.id],
      );
      timed.queued.length = 0;
      await timed.clock.advance(REPLY_MS + LATE_MS + 1);
      await send('/stock=a', 'c1');
      await timed.clock.advance(1);
      assert.deepEqual(timed.queued, [], 'but not when nothing could be shown any more');
    });
  });

  describe('are answered', () => {
    it('by a message of the bot, in reply to the command', async () => {
      const { id } = await send();
      await reply();
      const [stored] = await logOf();
      assert.ok(stored);
      assert.deepEqual(
        { ...stored, id: '', clientId: '' },
        {
          id: '',
          chatroom: room,
          seq: 1,
          owner: bot.id,
          ownerName: bot.name,
          type: 1,
          message: 'answer 0',
          createdAt: new Date(timed.clock.now()).toISOString(),
          clientId: '',
          inReplyTo: id,
          bot: { name: bot.name },
        },
      );
      assert.deepEqual(timed.network.told.at(-1), { kind: 'message', message: stored });
      await timed.clock.advance(10 * LATE_MS);
      assert.deepEqual(failures(), [], 'and then there is no silence');
    });

    it('once per n, whoever runs them and however often', async () => {
      await send();
      const runs = await Promise.all(
        timed.nodes.flatMap((node) => [reply(0, 'one run', node), reply(0, 'other', node)]),
      );
      assert.equal(new Set(runs.map((it) => it?.id)).size, 1);
      await reply(1, 'https://second');
      const log = await logOf();
      assert.deepEqual(
        log.map((it) => it.type),
        [1, 2],
      );
    });

    it('also late, for a minute, and not after that', async () => {
      await send();
      await timed.clock.advance(REPLY_MS);
      assert.equal(failures().length, 1);
      await timed.clock.advance(LATE_MS);
      assert.ok(await reply(0));
      await timed.clock.advance(1);
      assert.equal(await reply(1), undefined);
      assert.equal((await logOf()).length, 1);
      assert.equal(failures().length, 1);
    });

    it('not in a room that was deleted meanwhile', async () => {
      const { id } = await send();
      const command = await timed.test.chat.store.command(id);
      assert.ok(command);
      await deleteRoom(timed.chat, ana, room);
      assert.equal(await postReply(timed.chat, command, { bot, text: 'late', slot: '0' }), undefined);
    });

    it('within the size of a text', async () => {
      await send();
      await refusal('too_large', reply(0, 'x'.repeat(20_000)));
    });

    it('again when the store was away', async () => {
      await send();
      timed.trouble = () => Promise.reject(tryAgain('the store'));
      await refusal('try_again', reply());
      timed.trouble = (_, run) => run();
      assert.ok(await reply());
      assert.equal((await logOf()).length, 1);
    });
  });

  describe('of silence', () => {
    it('the sender is told once, after the while, however many nodes watch', async () => {
      const { id } = await send();
      for (const node of timed.nodes) await recoverCommands(node);
      await timed.clock.advance(REPLY_MS - 1);
      assert.deepEqual(failures(), []);
      await timed.clock.advance(1);
      assert.deepEqual(failures(), [{ kind: 'failure', user: 'ana', event: 'message', id }]);
      await timed.clock.advance(10 * LATE_MS);
      for (const node of timed.nodes) await recoverCommands(node);
      await timed.clock.advance(10 * LATE_MS);
      assert.equal(failures().length, 1);
      assert.equal(timed.clock.waiting, 0);
    });

    it('the sender is told by a node that starts later', async () => {
      const { queue } = timed;
      timed.queue = async () => {};
      const clock = { now: () => timed.clock.now(), after: () => () => {} };
      await postMessage({ ...timed.chat, clock }, ana, room, { message: '/stock=a' }); // by a process that dies then
      timed.queue = queue;
      await timed.clock.advance(REPLY_MS / 2);
      await recoverCommands(timed.chat);
      assert.equal(timed.queued.length, 1);
      await timed.clock.advance(REPLY_MS / 2);
      assert.equal(failures().length, 1);
    });

    it('the sender is told although the store is away when the while is over', async () => {
      await send();
      await timed.clock.advance(1000);
      timed.trouble = () => Promise.reject(tryAgain('the store'));
      await timed.clock.advance(REPLY_MS + 5000);
      assert.deepEqual(failures(), []);
      timed.trouble = (_, run) => run();
      await timed.clock.advance(20_000);
      assert.equal(failures().length, 1);
    });
  });

  it('that were answered or given up are not taken up again', async () => {
    await send();
    await reply();
    await send('/stock=b');
    await timed.clock.advance(REPLY_MS);
    timed.queued.length = 0;
    await recoverCommands(timed.chat);
    assert.deepEqual(timed.queued, []);
  });
});
