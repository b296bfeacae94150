import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { accountOf, openTimedChat, refusal, roomOf, type TimedChat } from '../../test/support/timed-chat.ts';
import { authenticate } from './authenticate.ts';
import { tryAgain } from './errors.ts';
import { banUser } from './manage-members.ts';
import type { Message } from './model.ts';
import type { BotReply, NewBotCommand, Take } from './ports/jobs.ts';
import { LATE_MS } from './ports/jobs.ts';
import { recoverCommands } from './post-command.ts';
import { postMessage } from './post-message.ts';
import { replyTaker } from './take-reply.ts';

const ana = accountOf('ana');
const REPLY_MS = 10_000;

describe('what bots say', () => {
  let timed: TimedChat;
  let room: string;
  let take: Take<BotReply>;

  beforeEach(async () => {
    timed = await openTimedChat({ commands: ['stock', 'hello'], settings: { replyTimeoutMs: REPLY_MS } });
    room = await roomOf(timed.chat, ana);
    take = replyTaker(timed.chat);
  });
  afterEach(() => timed.close());

  const ask = async (text = '/stock=aapl', at = timed.chat): Promise<NewBotCommand> => {
    const { id } = await postMessage(at, ana, room, { message: text });
    return timed.queued.find((it) => it.id === id) ?? assert.fail('nothing is queued');
  };
  const answerTo = ({ id, token }: NewBotCommand, more: Partial<BotReply> = {}): BotReply => ({
    chatroom: room,
    token,
    message: 'answer',
    inReplyTo: id,
    bot: { name: 'Stock bot', id: 'bot-stock' },
    ...more,
  });
  const logOf = (of = room): Promise<Message[]> =>
    timed.test.chat.store.messages(of, { from: 1, to: 1e9, order: 'asc', limit: 1e6 });
  const textsOf = async (): Promise<string[]> => (await logOf()).map((it) => it.message);
  const failures = (): unknown[] => timed.network.told.filter((it) => it.kind === 'failure');

  describe('with the ticket of a command', () => {
    it('is shown once per bot and n, however often and on whatever node it is taken', async () => {
      const command = await ask();
      const again = replyTaker(timed.chat);
      for (const taker of [take, again]) {
        await taker(answerTo(command));
        await taker(answerTo(command, { message: 'of another run' }));
        await taker(answerTo(command, { n: 1, message: 'second', meta: { price: 1 } }));
        await taker(answerTo(command, { bot: { name: 'Other', id: 'bot-other' }, message: 'other' }));
      }
      const log = await logOf();
      assert.deepEqual(
        log.map(({ owner, ownerName, message, inReplyTo, bot, meta }) => [
          owner,
          ownerName,
          message,
          inReplyTo,
          bot,
          meta,
        ]),
        [
          ['bot-stock', 'Stock bot', 'answer', command.id, { name: 'Stock bot' }, undefined],
          ['bot-stock', 'Stock bot', 'second', command.id, { name: 'Stock bot' }, { price: 1 }],
          ['bot-other', 'Other', 'other', command.id, { name: 'Other' }, undefined],
        ],
      );
      await timed.clock.advance(10 * LATE_MS);
      assert.deepEqual(failures(), [], 'and then there is no silence');
    });

    it('needs no more than three fields', async () => {
      const { token } = await ask('/hello=Ben');
      for (const message of ['Hello, Ben!', 'Hello again!']) await take({ chatroom: room, token, message });
      for (const message of ['once', 'twice']) await take({ chatroom: room, token, message, id: 'id of the queue' });
      const log = await logOf();
      assert.deepEqual(
        log.map((it) => [it.owner, it.ownerName, it.message]),
        ['Hello, Ben!', 'Hello again!', 'once'].map((message) => ['bot-hello', 'Hello bot', message]),
      );
    });

    it('is owned by no user, whatever the bot calls itself', async () => {
      const command = await ask();
      await take(answerTo(command, { bot: { name: 'Ana & Co' } }));
      assert.deepEqual(
        (await logOf()).map((it) => it.owner),
        ['bot-ana-co'],
      );
    });

    it('answers this command only, in its own room', async () => {
      const [command, other] = [await ask(), await ask('/stock=b')];
      const elsewhere = await roomOf(timed.chat, ana);
      await refusal('invalid_operation', take(answerTo(command, { inReplyTo: other.id })));
      await refusal('invalid_operation', take(answerTo(command, { chatroom: elsewhere })));
      assert.deepEqual([await logOf(), await logOf(elsewhere)], [[], []]);
    });

    it('must be of the command', async () => {
      const [command, other] = [await ask(), await ask('/stock=b')];
      const [, , secret] = other.token.split('.');
      for (const token of [
        `ticket.${command.id}.${secret}`,
        `ticket.${command.id}.x`,
        `ticket.unknown.${secret}`,
        `${command.token}x`,
      ]) {
        await refusal('invalid_token', take(answerTo(command, { token })));
      }
      await refusal('invalid_token', take(answerTo(command, { token: '' })));
      assert.deepEqual(await logOf(), []);
    });

    it('is good for late answers, and for none after that', async () => {
      const command = await ask();
      await timed.clock.advance(REPLY_MS + LATE_MS);
      await take(answerTo(command));
      await timed.clock.advance(1);
      await take(answerTo(command, { n: 1 }));
      assert.deepEqual(await textsOf(), ['answer']);
    });

    it('says at once that there is no answer', async () => {
      const command = await ask();
      await take(answerTo(command, { error: 'no quotes', message: 'not shown' }));
      await take(answerTo(command, { error: 'no quotes', message: '' }));
      assert.deepEqual(failures(), [{ kind: 'failure', user: 'ana', event: 'message', id: command.id }]);
      await timed.clock.advance(10 * LATE_MS);
      assert.equal(failures().length, 1);
      assert.deepEqual(await logOf(), []);
    });

    it('is never shown to one member only, so not at all', async () => {
      await refusal('invalid_operation', take(answerTo(await ask(), { ephemeral: true })));
      assert.deepEqual(await logOf(), []);
    });

    it('is not too large', async () => {
      await refusal('too_large', take(answerTo(await ask(), { message: 'x'.repeat(20_000) })));
    });

    it('is not heard of a run that was replaced', async () => {
      const [a, b, c] = [await ask('/stock=a'), await ask('/stock=b'), await ask('/stock=c')];
      const bot = { name: 'Stock bot', id: 'bot-stock' };
      await take(answerTo(a, { message: 'a', bot: { ...bot, epoch: 2 } }));
      await refusal('invalid_operation', take(answerTo(b, { message: 'b', bot: { ...bot, epoch: 1 } })));
      await take(answerTo(b, { message: 'c', bot: { ...bot, id: 'bot-other', epoch: 1 } }));
      await take(answerTo(c, { message: 'd', bot: { ...bot, epoch: 2 } }));
      assert.deepEqual(await textsOf(), ['a', 'c', 'd']);
    });

    it('waits for the store', async () => {
      const command = await ask();
      timed.trouble = () => Promise.reject(tryAgain('the store'));
      await refusal('try_again', take(answerTo(command)));
      timed.trouble = (_, run) => run();
      await take(answerTo(command));
      assert.deepEqual(await textsOf(), ['answer']);
    });
  });

  describe('with a token of its own', () => {
    const tokenOfBot = (user = 'news', roles = ['bot']): string =>
      timed.test.addAccount(user, { type: 3, roles, name: 'News' });

    it('is a message of the bot, once per id of the queue', async () => {
      const said = { chatroom: room, token: tokenOfBot(), message: '/stock is no command here' };
      await take({ ...said, id: 'm1' });
      await take({ ...said, id: 'm1' });
      await refusal('idempotency_conflict', take({ ...said, id: 'm1', message: 'other' }));
      await take({ ...said, id: 'x'.repeat(250) });
      await take({ ...said, id: 'x'.repeat(250) });
      await take(said);
      await take(said);
      const log = await logOf();
      assert.equal(log.length, 4);
      assert.deepEqual(
        new Set(log.map((it) => `${it.owner} ${it.ownerName} ${it.bot?.name}`)),
        new Set(['news News News']),
      );
      assert.deepEqual(timed.queued, [], 'bots do not command bots');
    });

    it('answers any command, as that bot', async () => {
      const command = await ask();
      const token = tokenOfBot();
      await take(answerTo(command, { token }));
      await take(answerTo(command, { token, message: 'again' }));
      assert.deepEqual(
        (await logOf()).map((it) => [it.owner, it.message, it.inReplyTo]),
        [['news', 'answer', command.id]],
      );
      await refusal('not_found', take(answerTo(command, { token, inReplyTo: 'unknown' })));
    });

    it('needs the role, a room, and to be welcome there', async () => {
      const said = { chatroom: room, message: 'text' };
      await refusal('role_required', take({ ...said, token: timed.test.addAccount('eve') }));
      await refusal('role_required', take({ ...said, token: tokenOfBot('old', ['user']) }));
      await refusal('invalid_token', take({ ...said, token: 'unknown' }));
      await refusal('invalid_chatroom', take({ ...said, token: tokenOfBot(), chatroom: 'nowhere' }));
      await refusal('too_large', take({ ...said, token: tokenOfBot(), message: 'x'.repeat(20_000) }));
      await refusal('invalid_operation', take({ ...said, token: tokenOfBot(), error: 'broken' }));
      await banUser(timed.chat, ana, room, 'news', {});
      await refusal('banned', take({ ...said, token: tokenOfBot() }));
      assert.deepEqual(await logOf(), []);
    });

    it('waits for the account service; tickets need none', async () => {
      const command = await ask();
      timed.test.accountsAway(true);
      const said = { chatroom: room, token: tokenOfBot(), message: 'text' };
      assert.equal((await refusal('account_service', take(said))).retry, true);
      await take(answerTo(command));
      timed.test.accountsAway(false);
      await take(said);
      assert.deepEqual(await textsOf(), ['answer', 'text']);
    });
  });

  describe('with the token of the user', () => {
    it('is an answer where such tokens are handed out, to the user’s own commands only', async () => {
      const forwarding = { ...timed.chat, settings: { ...timed.chat.settings, forwardTokens: true } };
      const token = timed.test.addAccount('ana');
      const { id } = await postMessage(forwarding, await authenticate(forwarding, token), room, {
        message: '/stock=a',
      });
      const command = timed.queued[0] ?? assert.fail('nothing is queued');
      assert.equal(command.token, token);
      await refusal('role_required', take(answerTo(command)));
      const taker = replyTaker(forwarding);
      await refusal('role_required', taker(answerTo(command, { token: timed.test.addAccount('eve') })));
      const { inReplyTo: _, ...unasked } = answerTo(command);
      await refusal('role_required', taker(unasked));
      await taker(answerTo(command));
      assert.deepEqual(
        (await logOf()).map((it) => [it.owner, it.inReplyTo]),
        [['bot-stock', id]],
      );
    });

    it('is nowhere but in the queue: taken up again, the command goes out with a ticket', async () => {
      const forwarding = { ...timed.chat, settings: { ...timed.chat.settings, forwardTokens: true } };
      const token = timed.test.addAccount('ana');
      await postMessage(forwarding, await authenticate(forwarding, token), room, { message: '/stock=a' });
      await recoverCommands({ ...forwarding }); // another process
      const [first, second] = timed.queued;
      assert.ok(first && second);
      assert.equal(first.token, token);
      assert.match(second.token, /^ticket\./);
      const stored = JSON.stringify(await timed.test.chat.store.openCommands(10));
      assert.doesNotMatch(stored + JSON.stringify(timed.test.lines), new RegExp(token));
      await replyTaker(forwarding)(answerTo(second));
      assert.deepEqual(await textsOf(), ['answer']);
    });

    it('is not handed out otherwise', async () => {
      const token = timed.test.addAccount('ana');
      await postMessage(timed.chat, await authenticate(timed.chat, token), room, { message: '/stock=a' });
      assert.match(timed.queued[0]?.token ?? '', /^ticket\./);
      assert.doesNotMatch(JSON.stringify(timed.queued), new RegExp(token));
    });
  });
});
