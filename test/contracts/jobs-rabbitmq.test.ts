import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ChatError, tryAgain } from '../../src/chat/errors.ts';
import type { BotReply } from '../../src/chat/ports/jobs.ts';
import { RabbitmqBotJobs } from '../../src/drivers/jobs/rabbitmq/rabbitmq-bot-jobs.ts';
import type { BrokerOptions } from '../../src/drivers/jobs/rabbitmq/rabbitmq-broker.ts';
import { RabbitmqJobs } from '../../src/drivers/jobs/rabbitmq/rabbitmq-jobs.ts';
import { deadQueueOf } from '../../src/wire/queue.ts';
import { engines } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { Queues } from '../support/queues.ts';
import { command, jobsContract } from './jobs-contract.ts';

const lines: string[] = [];
const write = (message: string, fields: unknown): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
const log = { debug: write, info: write, warn: write, error: write };

const optionsFor = ({ url, queue, botQueue }: Queues, more: Partial<BrokerOptions> = {}): BrokerOptions => ({
  url,
  queue,
  botQueue,
  mode: 'auto',
  declare: true,
  log,
  againMs: 50,
  ...more,
});

const isHere = (...ends: readonly { reach: string }[]) =>
  eventually('the broker is reached', () => ends.every((it) => it.reach === 'here'));

jobsContract('rabbitmq', async (count) => {
  const queues = await Queues.open(engines.rabbitmq());
  const ends = Array.from({ length: count }, () => {
    const options = optionsFor(queues);
    return { chat: new RabbitmqJobs(options), bots: new RabbitmqBotJobs(options) };
  });
  await isHere(...ends.flatMap((it) => [it.chat, it.bots]));
  return {
    nodes: ends.map(({ chat, bots }) => ({
      publish: (it) => chat.publish(it),
      replies: (prefetch, take) => chat.replies(prefetch, take),
      consume: (prefetch, run) => bots.consume(prefetch, run),
      reply: (it) => bots.reply(it),
    })),
    // Real time passes by itself: those who wait for something look for it.
    passMs: () => {},
    killNode: async (index) => {
      await Promise.all([ends[index]?.chat.close(0), ends[index]?.bots.close(0)]);
    },
    close: async () => {
      await Promise.all(ends.flatMap((it) => [it.chat.close(0), it.bots.close(0)]));
      await queues.close();
    },
  };
});

describe('queues at RabbitMQ', () => {
  let queues: Queues;
  const open: { close(graceMs?: number): Promise<void> }[] = [];

  const openChat = (more?: Partial<BrokerOptions>): RabbitmqJobs => {
    const jobs = new RabbitmqJobs(optionsFor(queues, more));
    open.push(jobs);
    return jobs;
  };
  const openBots = (more?: Partial<BrokerOptions>): RabbitmqBotJobs => {
    const jobs = new RabbitmqBotJobs(optionsFor(queues, more));
    open.push(jobs);
    return jobs;
  };
  const reply = (more: Partial<BotReply> = {}): BotReply => ({
    chatroom: 'room',
    token: 't',
    message: 'text',
    ...more,
  });

  beforeEach(async () => {
    lines.length = 0;
    queues = await Queues.open(engines.rabbitmq());
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((it) => it.close(0)));
    await queues.close();
  });

  describe('carry', () => {
    it('a command with its fields and properties', async () => {
      const chat = openChat();
      await isHere(chat);
      const sent = command('c1', 'aapl.us');
      await chat.publish(sent);
      const { content, properties } = await queues.take(queues.botQueue);
      expect(JSON.parse(content.toString())).toEqual({
        chatroom: 'room',
        token: 'ticket.c1.secret',
        message: '/stock aapl.us',
        v: 1,
        id: 'c1',
        command: 'stock',
        args: 'aapl.us',
        user: { id: 'ana', name: 'Ana Μαρία' },
        kind: 'command',
        deadline: new Date(sent.deadline).toISOString(),
      });
      const { messageId, correlationId, replyTo, contentType, deliveryMode, expiration, timestamp } = properties;
      expect({ messageId, correlationId, replyTo, contentType, deliveryMode }).toEqual({
        messageId: 'c1',
        correlationId: 'c1',
        replyTo: queues.queue,
        contentType: 'application/json',
        deliveryMode: 2,
      });
      const leftMs = sent.deadline + 60_000 - Date.now();
      expect(Math.abs(Number(expiration) - leftMs)).toBeLessThan(5000);
      expect(Math.abs(timestamp - Date.now() / 1000)).toBeLessThan(5);
    });

    it('a reply with its fields and properties', async () => {
      const bots = openBots();
      await isHere(bots);
      const sent = reply({ id: 'r1', inReplyTo: 'c1', n: 1, bot: { name: 'Bot', id: 'bot-x' }, meta: { a: 1 } });
      await bots.reply(sent);
      const { content, properties } = await queues.take(queues.queue);
      expect(JSON.parse(content.toString())).toEqual(sent);
      expect([properties.messageId, properties.correlationId, properties.contentType]).toEqual([
        'r1',
        'c1',
        'application/json',
      ]);
    });

    it('three fields alone to the bots, and three fields back', async () => {
      const bots = openBots();
      await isHere(bots);
      const got: unknown[] = [];
      await bots.consume(1, async (it) => {
        got.push(it);
        await bots.reply({ chatroom: it.chatroom, token: it.token, message: it.args });
      });
      await queues.send(queues.botQueue, { chatroom: 'room', token: 'own token', message: '/Stock=AAPL.us' });
      const { content } = await queues.take(queues.queue);
      expect(JSON.parse(content.toString())).toEqual({ chatroom: 'room', token: 'own token', message: 'AAPL.us' });
      const asked = { chatroom: 'room', token: 'own token', message: '/Stock=AAPL.us' };
      assert.deepEqual(got, [{ ...asked, command: 'stock', args: 'AAPL.us' }]);
    });

    it('three fields alone to the chat, with the id of the queue where there is one', async () => {
      const chat = openChat();
      const got: BotReply[] = [];
      await chat.replies(1, async (it) => void got.push(it));
      await isHere(chat);
      await queues.send(queues.queue, reply(), { messageId: 'm1' });
      await queues.send(queues.queue, reply());
      await queues.send(queues.queue, {
        ...reply(),
        error: 0,
        final: true,
        bot: { name: 'B', instance: 'i', epoch: 1 },
      });
      await eventually('all arrive', () => got.length === 3);
      assert.deepEqual(got, [{ ...reply(), id: 'm1' }, reply(), { ...reply(), bot: { name: 'B', epoch: 1 } }]);
    });

    it('posts past bots that only know commands', async () => {
      const bots = openBots();
      await isHere(bots);
      const got: unknown[] = [];
      await bots.consume(1, async ({ id }) => void got.push(id));
      await queues.send(queues.botQueue, { ...command('p'), kind: 'post', deadline: undefined, message: 'text' });
      await queues.send(queues.botQueue, { ...command('c'), deadline: undefined });
      await eventually('it arrives', () => got.length === 1);
      assert.deepEqual(got, ['c']);
      assert.equal(await queues.count(deadQueueOf(queues.botQueue)), 0);
    });
  });

  describe('put aside', () => {
    const cases: readonly (readonly [string, string, object | string, RegExp])[] = [
      ['what is no JSON', 'invalid_fields', '{"token":"secret"', /^not JSON$/],
      ['what is no object', 'invalid_fields', '[]', /object/],
      ['what lacks a field', 'invalid_fields', { chatroom: 'room', token: 't' }, /^message: /],
      ['an empty text', 'invalid_fields', { chatroom: 'room', token: 't', message: ' ' }, /^message: /],
      ['a field of another type', 'invalid_fields', { ...reply(), n: '0' }, /^n: /],
      ['a bot that passes for a user', 'invalid_fields', { ...reply(), bot: { name: 'x', id: 'ana' } }, /^bot\.id: /],
      ['what is larger than anything', 'too_large', { ...reply(), message: 'x'.repeat(1024 * 1024) }, /1048576/],
    ];
    it.each(cases)('%s', async (_, reason, body, detail) => {
      const reasons: string[] = [];
      const chat = openChat({ onPutAside: (it) => reasons.push(it) });
      let taken = 0;
      await chat.replies(1, async () => {
        taken += 1;
      });
      await isHere(chat);
      await queues.send(queues.queue, body, { messageId: 'm1', correlationId: 'c1', expiration: '30000' });
      const dead = await queues.takeDead(queues.queue);
      assert.deepEqual([dead.reason, dead.from], [reason, queues.queue]);
      assert.match(String(dead.detail), detail);
      assert.equal(dead.body, typeof body === 'string' ? body : JSON.stringify(body));
      const { messageId, correlationId, expiration } = dead.it.properties;
      assert.deepEqual([messageId, correlationId, expiration], ['m1', 'c1', undefined]);
      assert.deepEqual(reasons, [reason]);
      assert.equal(taken, 0);
      assert.doesNotMatch(lines.join('\n'), /secret/);
    });

    it('what is refused for good, at once', async () => {
      const chat = openChat();
      let taken = 0;
      await chat.replies(1, async () => {
        taken += 1;
        throw new ChatError('role_required', 'this needs a token of role bot');
      });
      await isHere(chat);
      await queues.send(queues.queue, reply());
      const { reason, detail } = await queues.takeDead(queues.queue);
      assert.deepEqual([reason, detail, taken], ['role_required', 'this needs a token of role bot', 1]);
    });

    it('what fails at 5 deliveries, while the others go on', async () => {
      const chat = openChat();
      const got: string[] = [];
      await chat.replies(2, async ({ message }) => {
        got.push(message);
        if (message === 'bad') throw new TypeError('never');
      });
      await isHere(chat);
      await queues.send(queues.queue, reply({ message: 'bad' }), { messageId: 'm1' });
      for (let n = 0; n < 20; n += 1) await queues.send(queues.queue, reply({ message: `good ${n}` }));
      const { reason, it } = await queues.takeDead(queues.queue);
      assert.deepEqual([reason, it.properties.messageId], ['internal', 'm1']);
      assert.equal(got.filter((text) => text === 'bad').length, 5);
      await eventually('the others are taken', () => got.length === 25);
      assert.equal(await queues.count(queues.queue), 0);
    });

    it('what 5 consumers died of, and nobody knows', async () => {
      const bots = openBots();
      await isHere(bots);
      await bots.close(0);
      await queues.send(queues.botQueue, { ...command('c1'), deadline: undefined }, { messageId: 'c1' });
      let deliveries = 0;
      for (; deliveries < 5; deliveries += 1) {
        const dying = openBots();
        const before = deliveries;
        let delivered = 0;
        await dying.consume(1, () => {
          delivered += 1;
          return new Promise(() => {});
        });
        await eventually(`delivery ${before + 1}`, () => delivered === 1);
        await dying.close(0);
      }
      const { it } = await queues.takeDead(queues.botQueue);
      assert.equal(it.properties.messageId, 'c1');
    });

    it('nothing that waits for a part that is away, however long, and nothing waits behind it', async () => {
      const chat = openChat({ againMs: 10 });
      let away = true;
      const got: string[] = [];
      await chat.replies(3, async ({ message }) => {
        if (away && message.startsWith('waits')) {
          got.push('away');
          throw tryAgain('the account service');
        }
        got.push(message);
      });
      await isHere(chat);
      for (let n = 0; n < 10; n += 1) await queues.send(queues.queue, reply({ message: `waits ${n}` }));
      await queues.send(queues.queue, reply({ message: 'other' }));
      await eventually('the other is taken', () => got.includes('other'));
      await eventually('they were tried often', () => got.filter((it) => it === 'away').length > 100);
      away = false;
      await eventually('all are taken', () => got.filter((it) => it.startsWith('waits')).length === 10);
      assert.equal(await queues.count(deadQueueOf(queues.queue)), 0);
    });
  });

  it('keep all that came under one id when all of it waits', async () => {
    const chat = openChat();
    let away = true;
    const got: string[] = [];
    const waited = new Set<string>();
    await chat.replies(10, async ({ message }) => {
      waited.add(message);
      if (away) throw tryAgain('the store');
      got.push(message);
    });
    await isHere(chat);
    const texts = Array.from({ length: 10 }, (_, n) => `text ${n}`);
    await Promise.all(texts.map((message) => queues.send(queues.queue, reply({ message }), { messageId: '1' })));
    await eventually('all have waited', () => waited.size === texts.length);
    away = false;
    await eventually('all are taken', () => got.length === texts.length);
    assert.deepEqual([...got].sort(), texts);
  });

  describe('are', () => {
    const isQuorum = (queue: string) =>
      queues.declare(queue, {
        durable: true,
        arguments: {
          'x-queue-type': 'quorum',
          'x-delivery-limit': 4,
          'x-dead-letter-exchange': '',
          'x-dead-letter-routing-key': deadQueueOf(queue),
        },
      });
    /** The earlier server's. */
    const isTransient = (queue: string) => queues.declare(queue, { durable: false });

    it.each(['auto', 'durable'] as const)('made durable where there are none (%s)', async (mode) => {
      await isHere(openChat({ mode }), openBots({ mode }));
      await isQuorum(queues.queue);
      await isQuorum(queues.botQueue);
    });

    it('made as the earlier server made them when that is asked for', async () => {
      await isHere(openChat({ mode: 'transient' }));
      await isTransient(queues.queue);
      await isTransient(queues.botQueue);
    });

    it('taken as they are, whatever they are', async () => {
      await isTransient(queues.queue);
      await queues.declare(queues.botQueue, { durable: true, arguments: { 'x-max-priority': 3 } });
      const [chat, bots] = [openChat(), openBots()];
      await isHere(chat, bots);
      const answers: string[] = [];
      await chat.replies(5, async ({ message }) => void answers.push(message));
      await bots.consume(5, ({ chatroom, token, args }) => bots.reply({ chatroom, token, message: args }));
      await chat.publish(command('1', 'answer'));
      await eventually('it is answered', () => answers.length === 1);
      await queues.send(queues.queue, 'no JSON');
      assert.equal((await queues.takeDead(queues.queue)).reason, 'invalid_fields');
      await isTransient(queues.queue);
    });

    it('counted by a header where the broker does not', async () => {
      await isTransient(queues.queue);
      const chat = openChat();
      let taken = 0;
      await chat.replies(1, async () => {
        taken += 1;
        throw new TypeError('never');
      });
      await isHere(chat);
      await queues.send(queues.queue, reply());
      assert.equal((await queues.takeDead(queues.queue)).reason, 'internal');
      assert.equal(taken, 5);
    });

    it.each([
      ['durable', 'transient'],
      ['transient', 'durable'],
    ] as const)(
      'never used when %s ones are asked for and %s ones are there, nor removed',
      async (mode, found) => {
        const declare = found === 'durable' ? isQuorum : isTransient;
        await declare(queues.botQueue);
        await queues.send(queues.botQueue, 'kept');
        const chat = openChat({ mode });
        await eventually('it is said', () => lines.some((it) => it.includes(queues.botQueue) && it.includes(mode)));
        assert.equal(chat.reach, 'never');
        await assert.rejects(chat.publish(command('1')), { code: 'try_again' });
        assert.equal(await queues.count(queues.botQueue), 1);
        await queues.remove(queues.botQueue);
        await isHere(chat);
        await chat.publish(command('1'));
      },
      15_000,
    );

    it('not made with AMQP_DECLARE=false: they must be there', async () => {
      await isTransient(queues.queue);
      const chat = openChat({ declare: false });
      await eventually('it is said', () => lines.some((it) => it.includes(`no queue ${queues.botQueue}`)));
      assert.equal(chat.reach, 'never');
      await isTransient(queues.botQueue);
      await isHere(chat);
      // Nobody made a queue for dead letters: they are dropped, and that is said.
      await chat.replies(1, async () => {});
      await queues.send(queues.queue, 'no JSON');
      await eventually('it is said', () => lines.some((it) => it.includes('was dropped')));
      assert.equal(await queues.count(queues.queue), 0);
    });

    it('found again when they were removed', async () => {
      const [chat, bots] = [openChat(), openBots()];
      const answers: string[] = [];
      await chat.replies(5, async ({ message }) => void answers.push(message));
      await isHere(chat, bots);
      await queues.remove(queues.botQueue);
      await assert.rejects(chat.publish(command('1')), { code: 'try_again' });
      await isHere(chat);
      await chat.publish(command('1', 'after'));
      await queues.remove(queues.queue);
      await bots.consume(5, ({ chatroom, token, args }) => bots.reply({ chatroom, token, message: args }));
      await eventually('it is answered', () => answers.includes('after'));
    });
  });

  it('finish what is under way when they are closed, and take nothing more', async () => {
    const [chat, bots] = [openChat(), openBots()];
    await isHere(chat, bots);
    const started: string[] = [];
    let finish = (): void => {};
    await bots.consume(1, async ({ id = '', chatroom, token }) => {
      started.push(id);
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      await bots.reply({ chatroom, token, message: `answer to ${id}` });
    });
    await chat.publish(command('1'));
    await chat.publish(command('2'));
    await eventually('one is under way', () => started.length === 1);
    const closed = bots.close(5000);
    finish();
    await closed;
    assert.deepEqual(started, ['1']);
    const { content } = await queues.take(queues.queue);
    assert.match(content.toString(), /answer to 1/);
    assert.equal(await queues.count(queues.botQueue), 1);
    await assert.rejects(bots.reply(reply()), { code: 'try_again' });
  });

  it('are reached as nothing but tried again: a wrong port, a wrong password, a wrong vhost', async () => {
    const wrong = ['amqp://guest:guest@127.0.0.1:1', 'amqp://guest:secret@HERE', 'amqp://guest:guest@HERE/nowhere'];
    const ends = wrong.map((it) => openChat({ url: it.replace('HERE', new URL(queues.url).host) }));
    await eventually('each is told', () => lines.filter((it) => it.startsWith('the broker is away')).length >= 3);
    assert.deepEqual(
      ends.map((it) => it.reach),
      ['never', 'never', 'never'],
    );
    assert.doesNotMatch(lines.join('\n'), /secret/);
  });
});
