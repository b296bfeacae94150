import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { BotCommand, BotJobs, BotReply, Jobs, NewBotCommand } from '../../src/chat/ports/jobs.ts';
import { eventually } from '../support/eventually.ts';

/** Both ends in one process. */
export type JobsNode = Jobs & BotJobs;

export interface OpenJobs {
  /** Nodes of one chat. */
  readonly nodes: readonly JobsNode[];
  /** Lets that much time pass for the driver. */
  passMs(ms: number): void | Promise<void>;
  /** The node's process dies. */
  killNode(index: number): void | Promise<void>;
  close(): void | Promise<void>;
}

/** A delivery that was not settled is made again within this. */
const AGAIN_MS = 2000;
const MAX_DELIVERIES = 5;

export const command = (id: string, text = 'text'): NewBotCommand => ({
  id,
  chatroom: 'room',
  token: `ticket.${id}.secret`,
  message: `/stock ${text}`,
  command: 'stock',
  args: text,
  user: { id: 'ana', name: 'Ana Μαρία' },
  deadline: Date.now() + 60_000,
});

/** A consumer whose jobs wait until the test settles them. */
class Consumer {
  readonly got: BotCommand[] = [];
  readonly #open = new Map<string, { resolve: () => void; reject: (cause: Error) => void }>();
  most = 0;

  readonly run = (it: BotCommand): Promise<void> => {
    this.got.push(it);
    return new Promise((resolve, reject) => {
      this.#open.set(it.id ?? '', { resolve, reject });
      this.most = Math.max(this.most, this.#open.size);
    });
  };

  get ids(): string[] {
    return this.got.map((it) => it.id ?? '');
  }

  get underWay(): string[] {
    return [...this.#open.keys()];
  }

  settle(id: string, cause?: Error): void {
    const it = this.#open.get(id);
    this.#open.delete(id);
    if (cause) it?.reject(cause);
    else it?.resolve();
  }
}

/** What every driver of the jobs does with three nodes. */
export function jobsContract(driver: string, open: (nodes: number) => Promise<OpenJobs>): void {
  describe(`Jobs: ${driver}`, () => {
    let opened: OpenJobs;
    let nodes: readonly [JobsNode, JobsNode, JobsNode];

    beforeEach(async () => {
      opened = await open(3);
      const [a, b, c] = opened.nodes;
      assert.ok(a && b && c);
      nodes = [a, b, c];
    });
    afterEach(() => opened.close());

    const consume = async (at: 0 | 1 | 2, prefetch: number): Promise<Consumer> => {
      const consumer = new Consumer();
      await nodes[at].consume(prefetch, consumer.run);
      return consumer;
    };

    /** Waits until everything that was published before has been handed to somebody who has nothing else to do. */
    const fence = async (...consumers: Consumer[]): Promise<void> => {
      const id = `fence ${Math.random()}`;
      await nodes[0].publish(command(id));
      const holder = await eventually(`${id} is handed out`, () => consumers.find((it) => it.underWay.includes(id)));
      holder?.settle(id);
    };
    const withoutFences = (it: Consumer): string[] => it.ids.filter((id) => !id.startsWith('fence'));

    it('takes a command as it is from any node to a consumer on any node', async () => {
      const consumer = await consume(1, 10);
      const sent = [command('1', '\u0000"\\\u2028💬'), command('2'), command('3', 'x'.repeat(100_000))];
      await nodes[0].publish(sent[0] ?? command(''));
      await nodes[1].publish(sent[1] ?? command(''));
      await nodes[2].publish(sent[2] ?? command(''));
      await eventually('all arrive', () => consumer.got.length === 3);
      expect([...consumer.got].sort((a, b) => (a.id ?? '').localeCompare(b.id ?? ''))).toEqual(sent);
    });

    it('keeps commands until somebody consumes', async () => {
      for (const id of ['1', '2', '3']) await nodes[0].publish(command(id));
      const consumer = await consume(2, 10);
      await eventually('all arrive', () => consumer.got.length === 3);
      assert.deepEqual(consumer.ids, ['1', '2', '3']);
    });

    it('hands each command to one of the competing consumers, and to all of them in turn', async () => {
      const consumers = [await consume(0, 5), await consume(1, 5), await consume(2, 5)] as const;
      const ids = Array.from({ length: 60 }, (_, n) => `${n}`);
      await Promise.all(ids.map((id, n) => nodes[(n % 3) as 0 | 1 | 2].publish(command(id))));
      await eventually('all are done', () => {
        for (const it of consumers) for (const id of it.underWay) it.settle(id);
        return consumers.reduce((sum, it) => sum + it.got.length, 0) >= 60;
      });
      assert.deepEqual(consumers.flatMap((it) => it.ids).sort(), ids.sort());
      for (const it of consumers) assert.ok(it.got.length >= 5, `${it.got.length} of 60`);
    });

    it('has no more than the prefetch under way', async () => {
      const consumer = await consume(0, 3);
      const ids = Array.from({ length: 20 }, (_, n) => `${n}`);
      await Promise.all(ids.map((id) => nodes[1].publish(command(id))));
      while (withoutFences(consumer).length < 20 || consumer.underWay.length > 0) {
        const wanted = Math.min(3, 20 - consumer.got.length + consumer.underWay.length);
        await eventually('the places are taken', () => consumer.underWay.length === wanted);
        consumer.settle(consumer.underWay[0] ?? '');
      }
      assert.equal(consumer.most, 3);
      assert.equal(new Set(consumer.ids).size, 20);
    });

    it('delivers again what rejects, until it does not', async () => {
      const consumer = await consume(0, 10);
      await nodes[0].publish(command('1'));
      for (const delivery of [1, 2]) {
        await eventually('it is delivered', () => consumer.got.length === delivery);
        consumer.settle('1', new Error('not now'));
        await fenceOff(consumer);
        await opened.passMs(AGAIN_MS);
      }
      await eventually('it is delivered', () => consumer.underWay.includes('1'));
      consumer.settle('1');
      await fenceOff(consumer);
      await opened.passMs(10 * AGAIN_MS);
      await fence(consumer);
      assert.deepEqual(withoutFences(consumer), ['1', '1', '1']);
    });

    /** Until the queue has heard what was settled: then it has a free place again. */
    const fenceOff = async (consumer: Consumer): Promise<void> => {
      await fence(consumer);
      await fence(consumer);
      consumer.got.splice(0, consumer.got.length, ...consumer.got.filter((it) => !it.id?.startsWith('fence')));
    };

    it(`gives a command up after ${MAX_DELIVERIES} deliveries, and others go on`, async () => {
      const consumer = await consume(0, 10);
      await nodes[0].publish(command('bad'));
      for (let delivery = 1; delivery <= MAX_DELIVERIES; delivery += 1) {
        await eventually('it is delivered', () => consumer.underWay.includes('bad'));
        consumer.settle('bad', new Error('never'));
        await fenceOff(consumer);
        await opened.passMs(AGAIN_MS);
      }
      await nodes[0].publish(command('good'));
      await opened.passMs(10 * AGAIN_MS);
      await eventually('the other is delivered', () => consumer.underWay.includes('good'));
      assert.equal(consumer.ids.filter((id) => id === 'bad').length, MAX_DELIVERIES);
    });

    it('hands a reply as it is to one taker', async () => {
      const got: BotReply[] = [];
      for (const node of nodes) await node.replies(10, async (it) => void got.push(it));
      const sent: BotReply[] = [
        { chatroom: 'room', token: 't', message: '\\"\u2028💬' },
        {
          chatroom: 'room',
          token: 'ticket.1.secret',
          message: 'x'.repeat(100_000),
          id: '1:bot-stock:2',
          inReplyTo: '1',
          n: 2,
          bot: { name: 'Stock bot', id: 'bot-stock', epoch: 3 },
          meta: { price: 93.42, deep: [{ a: null }] },
        },
        { chatroom: 'room', token: 'ticket.2.secret', message: '', error: 'no quotes', ephemeral: true, id: 'e' },
      ];
      for (const [at, reply] of sent.entries()) await nodes[at as 0 | 1 | 2].reply(reply);
      await eventually('all arrive', () => got.length === 3);
      // A queue needs an id of its own where the reply has none.
      const comparable = got.map((it) => (it.token === 't' ? { ...it, id: undefined } : it));
      expect(comparable.sort((a, b) => a.token.localeCompare(b.token))).toEqual(
        sent.map((it) => ({ ...it, id: it.id })).sort((a, b) => a.token.localeCompare(b.token)),
      );
    });

    it('settles a command by its reply, whichever end each is at', async () => {
      const answers: BotReply[] = [];
      for (const node of nodes) {
        await node.replies(10, async (it) => void answers.push(it));
        await node.consume(10, async ({ chatroom, token, args, id = '' }) =>
          node.reply({ chatroom, token, message: args, id: `${id}:0`, inReplyTo: id }),
        );
      }
      const ids = Array.from({ length: 30 }, (_, n) => `${n}`);
      await Promise.all(ids.map((id, n) => nodes[(n % 3) as 0 | 1 | 2].publish(command(id))));
      await eventually('all are answered', () => answers.length >= 30);
      await opened.passMs(10 * AGAIN_MS);
      assert.deepEqual(answers.map((it) => it.inReplyTo).sort(), ids.sort());
    });

    describe('when a node dies', () => {
      it('what its consumer had under way is delivered to another', async () => {
        const dying = await consume(0, 10);
        for (const id of ['1', '2', '3']) await nodes[1].publish(command(id));
        await eventually('all arrive', () => dying.got.length === 3);
        dying.settle('2');
        await fence(dying);
        await fence(dying);
        const other = await consume(1, 10);
        await opened.killNode(0);
        await eventually('they are delivered again', async () => {
          await opened.passMs(AGAIN_MS);
          return other.got.length === 2;
        });
        assert.deepEqual(other.ids.sort(), ['1', '3']);
        assert.equal(withoutFences(dying).length, 3);
      });

      it('nothing more is handed to its consumer, and nothing is used up by that', async () => {
        const dying = await consume(0, 50);
        await opened.killNode(0);
        for (let n = 0; n < 20; n += 1) await nodes[1].publish(command(`${n}`));
        await opened.passMs(20 * AGAIN_MS);
        const other = await consume(2, 50);
        await eventually('all arrive', async () => {
          await opened.passMs(AGAIN_MS);
          return other.got.length === 20;
        });
        assert.deepEqual(dying.got, []);
      });

      it('what it published is run, and it can publish no more', async () => {
        await nodes[0].publish(command('1'));
        await opened.killNode(0);
        await assert.rejects(nodes[0].publish(command('2')));
        const consumer = await consume(1, 10);
        await eventually('it is delivered', () => consumer.got.length === 1);
        assert.deepEqual(consumer.ids, ['1']);
      });

      it('a command that several had under way is still delivered 5 times at most', async () => {
        const [a, b] = [await consume(0, 1), await consume(1, 1)];
        await nodes[2].publish(command('1'));
        const holder = await eventually('it is delivered', () => [a, b].find((it) => it.underWay.length > 0));
        await opened.killNode(holder === a ? 0 : 1);
        const other = holder === a ? b : a;
        for (let delivery = 2; delivery <= MAX_DELIVERIES; delivery += 1) {
          await eventually('it is delivered again', async () => {
            await opened.passMs(AGAIN_MS);
            return other.underWay.includes('1');
          });
          other.settle('1', new Error('never'));
        }
        await eventually('the place is free', async () => {
          await opened.passMs(10 * AGAIN_MS);
          return true;
        });
        await nodes[2].publish(command('2'));
        await eventually('the next is delivered', () => other.underWay.includes('2'));
        assert.equal(other.ids.filter((id) => id === '1').length, MAX_DELIVERIES - 1);
      });
    });
  });
}
