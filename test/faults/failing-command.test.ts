import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, it } from '@jest/globals';
import { deadQueueOf } from '../../src/wire/queue.ts';
import { calmMachine } from '../support/calm-machine.ts';
import { eventually } from '../support/eventually.ts';
import { Queues } from '../support/queues.ts';
import { TestBed } from '../support/test-bed.ts';
import { compareAnswers, openBystander, openCommandChat } from './harness/command-chat.ts';
import { figuresOf, slowerLimit } from './harness/delays.ts';
import { startDistantBroker } from './harness/distant-broker.ts';
import { LONG } from './harness/patience.ts';
import { loopPlainQueue } from './harness/plain-queue.ts';
import { recordFigures } from './harness/record-figures.ts';

const PER_SECOND = LONG ? 100 : 40;
const FAILING = LONG ? 100 : 8;
const EVERY_MS = LONG ? 1000 : 500;
const BEFORE_MS = LONG ? 20_000 : 6000;
const DELIVERIES = 5;
/** Four pauses of a second, and what a busy machine makes of them. */
const DEAD_MS = 20_000;
const PLAIN_MS = 2000;

describe('a command that always fails', () => {
  const bed = new TestBed();
  afterAll(() => bed.close(), 60_000);

  it(`is put aside with the reason after ${DELIVERIES} deliveries, its sender is told, and no other command waits for it (R11)`, async () => {
    const { engine } = await startDistantBroker(bed);
    // The chat takes the word; no bot knows it, so each of its deliveries throws.
    const chat = await openCommandChat(bed, {
      AMQP_URL: engine.url,
      AMQP_QUEUE: 'fault-chat',
      AMQP_BOT_QUEUE_BOT: 'fault-bot',
      BOT_COMMANDS: 'hello,broken',
      BOT_REPLY_TIMEOUT_MS: '6000',
    });
    const { commands } = chat;
    const bystander = await openBystander(bed);
    const queues = bed.own(await Queues.open(engine.url, 'fault'), (it) => it.close());
    const dead = deadQueueOf(queues.botQueue);
    const taken = await calmMachine();
    commands.start(PER_SECOND);
    await eventually('commands are answered', () => commands.answered.size >= PER_SECOND, 15_000);
    bystander.takeDelays();
    const beganAt = performance.now();
    await sleep(BEFORE_MS);
    const before = { mine: commands.delays(beganAt, performance.now() - 1000), other: bystander.takeDelays() };

    const failingAt = performance.now();
    const failing: string[] = [];
    for (let n = 0; n < FAILING; n += 1) {
      failing.push(await commands.sendOther(`/broken=${n}`));
      await sleep(EVERY_MS);
    }
    await eventually('all are put aside', async () => (await queues.count(dead)) >= FAILING, DEAD_MS);
    const deadAt = performance.now();
    const during = { mine: commands.delays(failingAt, deadAt - 1000), other: bystander.takeDelays() };
    await eventually('their sender is told', () => commands.failures() >= FAILING, DEAD_MS);
    const answers = compareAnswers(commands, await chat.settle());
    const letters = await Promise.all(failing.map(() => queues.takeDead(queues.botQueue)));
    const deliveries = failing.map((id) => countLines(chat.bots.output, ['a delivery failed', id]));
    const plain = await loopPlainQueue(engine.url, PLAIN_MS);
    const mine = { before: figuresOf(before.mine), during: figuresOf(during.mine) };
    const other = { before: figuresOf(before.other), during: figuresOf(during.other) };
    const limit = slowerLimit(mine, other);
    const fault = `${FAILING} commands whose every delivery throws, among ${PER_SECOND} others a second`;
    recordFigures({
      run: 'R11',
      over: 'embedded',
      fault,
      bite: `${deliveries.reduce((sum, it) => sum + it, 0)} deliveries failed`,
      figures: [
        { what: 'deliveries of each', value: [...new Set(deliveries)].join(', '), limit: `${DELIVERIES}` },
        { what: 'put aside', value: `${letters.length}`, limit: `${FAILING}` },
        { what: 'reasons', value: [...new Set(letters.map((it) => `${it.reason}: ${it.detail}`))].join(', ') },
        { what: 'senders told', value: `${commands.failures()}`, limit: `${FAILING}` },
        { what: 'p99 of the others', value: `${mine.before.p99} -> ${mine.during.p99} ms` },
        {
          what: 'of the median second',
          value: `${mine.before.typicalP99} -> ${mine.during.typicalP99} ms`,
          limit: `<= ${limit} ms`,
        },
        { what: 'p99 of a bystander', value: `${other.before.p99} -> ${other.during.p99} ms` },
        { what: 'machine taken by others before', value: `${Math.round(taken * 100)} %` },
      ],
    });
    recordFigures({
      run: 'R11',
      over: 'plain',
      fault,
      bite: 'one message alone, refused with requeue at each delivery',
      figures: [{ what: 'deliveries of each', value: `${plain.handled} in ${PLAIN_MS / 1000} s, and no end` }],
    });
    assert.deepEqual(
      deliveries,
      failing.map(() => DELIVERIES),
    );
    assert.deepEqual(letters.map((it) => it.it.properties.messageId).sort(), [...failing].sort());
    for (const { reason, detail, from } of letters) {
      assert.deepEqual([reason, detail, from], ['internal', 'not taken in 5 deliveries', queues.botQueue]);
    }
    assert.equal(await queues.count(dead), 0);
    assert.equal(commands.failures(), FAILING);
    assert.deepEqual(answers, { lost: [], doubled: [], strange: [] });
    assert.deepEqual(await chat.findings(), []);
    assert.ok(plain.handled > DELIVERIES, 'the plain one has a limit, too');
    assert.ok(mine.during.typicalP99 <= limit, 'the others are slower');
  }, 300_000);
});

const countLines = (text: string, parts: readonly string[]): number =>
  text.split('\n').filter((line) => parts.every((it) => line.includes(it))).length;
