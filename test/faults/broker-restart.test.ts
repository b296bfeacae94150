import assert from 'node:assert/strict';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, it } from '@jest/globals';
import { calmMachine } from '../support/calm-machine.ts';
import { eventually } from '../support/eventually.ts';
import { Queues } from '../support/queues.ts';
import { TestBed } from '../support/test-bed.ts';
import { compareAnswers, openBystander, openCommandChat } from './harness/command-chat.ts';
import { type Delay, figuresOf, slowerLimit } from './harness/delays.ts';
import { startDistantBroker } from './harness/distant-broker.ts';
import { LONG, PATIENCE } from './harness/patience.ts';
import { startPlainQueue } from './harness/plain-queue.ts';
import { recordFigures } from './harness/record-figures.ts';

const PER_SECOND = LONG ? 200 : 60;
const ROUNDS = LONG ? 3 : 1;
const WARM_UP_MS = 2000;
const BEFORE_MS = LONG ? 20_000 : 5000;
/** Before it is started again, which takes it 5 s and more. */
const AWAY_MS = 4000;
const BACKLOG_MS = 10_000;
/** What working off the backlog may add to the p99 where the broker, the bots and the clients share the workers' cores. */
const BACK_MS = 200 * PATIENCE;

describe('a broker that is killed', () => {
  const bed = new TestBed();
  afterAll(() => bed.close(), 60_000);

  it(`under ${PER_SECOND} commands/s and comes back: each is answered once, the last ${BACKLOG_MS} ms later, and talk goes on (R9)`, async () => {
    const { engine } = await startDistantBroker(bed);
    const names = { AMQP_QUEUE: 'fault-chat', AMQP_BOT_QUEUE_BOT: 'fault-bot' };
    const chat = await openCommandChat(bed, { AMQP_URL: engine.url, ...names });
    const { commands, talk } = chat;
    const bystander = await openBystander(bed);
    const plain = bed.own(await startPlainQueue(engine.url, PER_SECOND), (it) => it.close());
    const both = (): Delays => ({ mine: talk.takeDelays(), other: bystander.takeDelays() });
    const taken = await calmMachine();
    const delay = monitorEventLoopDelay({ resolution: 10 });
    commands.start(PER_SECOND);
    await sleep(WARM_UP_MS);
    delay.enable();
    both();
    const from = performance.now();
    await sleep(BEFORE_MS);
    const before = both();
    const answeredBefore = figuresOf(commands.delays(from, performance.now() - 1000));

    const pids = [engine.pid];
    const rounds: { readonly awayMs: number; readonly waiting: number; readonly backlogMs: number }[] = [];
    const away: Delays = { mine: [], other: [] };
    const back: Delays = { mine: [], other: [] };
    for (let round = 0; round < ROUNDS; round += 1) {
      both();
      const killedAt = performance.now();
      await engine.kill();
      await eventually('it is seen', async () => (await chat.degraded()).includes('broker'), 10_000);
      await sleep(killedAt + AWAY_MS - performance.now());
      add(away, both());
      await engine.restart();
      const upAt = performance.now();
      pids.push(engine.pid);
      const owed = commands.unanswered;
      await eventually('the backlog is gone', () => owed.every((n) => commands.answered.has(n)), 60_000);
      const lastAt = Math.max(...owed.map((n) => commands.answered.get(n)?.at ?? 0));
      add(back, both());
      rounds.push({ awayMs: upAt - killedAt, waiting: owed.length, backlogMs: lastAt - upAt });
      await eventually('all is well', async () => (await chat.degraded()).length === 0, 10_000);
    }
    delay.disable();
    const answers = compareAnswers(commands, await chat.settle());
    const queues = bed.own(await Queues.open(engine.url, 'fault'), (it) => it.close());
    const left = await Promise.all([queues.queue, queues.botQueue].map((it) => queues.count(it)));
    const told = { before: tell(before), away: tell(away), back: tell(back) };
    const limits = {
      away: slowerLimit(
        { before: told.before.mine, during: told.away.mine },
        { before: told.before.other, during: told.away.other },
      ),
      back: told.before.mine.p99 + Math.max(0, told.back.other.p99 - told.before.other.p99) + BACK_MS,
    };
    const list = (of: (it: (typeof rounds)[number]) => number) => rounds.map((it) => Math.round(of(it))).join(', ');
    const fault = `kill -9 and restart of RabbitMQ, ${ROUNDS} times, under ${PER_SECOND} commands/s and 40 messages/s to 20 people`;
    recordFigures({
      run: 'R9',
      over: 'embedded',
      fault,
      bite: `pids ${pids.join(' -> ')}, away ${list((it) => it.awayMs)} ms, ${list((it) => it.waiting)} commands waiting`,
      figures: [
        { what: 'commands', value: `${commands.sent}` },
        { what: 'that could not be queued', value: `${commands.sent - commands.accepted.size}`, limit: '0' },
        { what: 'accepted and lost', value: `${answers.lost.length}`, limit: '0' },
        { what: 'shown twice', value: `${answers.doubled.length}`, limit: '0' },
        { what: 'put off', value: JSON.stringify([...commands.postponed]), limit: '[]' },
        { what: 'backlog gone after', value: `${list((it) => it.backlogMs)} ms`, limit: `<= ${BACKLOG_MS} ms` },
        { what: 'answers before p99', value: `${answeredBefore.p99} ms` },
        {
          what: 'talk p99, then without the broker, then while it starts and the backlog goes',
          value: `${told.before.mine.p99}, ${told.away.mine.p99}, ${told.back.mine.p99} ms`,
          limit: `the last <= ${limits.back} ms`,
        },
        {
          what: 'the same of a bystander',
          value: `${told.before.other.p99}, ${told.away.other.p99}, ${told.back.other.p99} ms`,
        },
        {
          what: 'talk p99 of the median second, before and without the broker',
          value: `${told.before.mine.typicalP99}, ${told.away.mine.typicalP99} ms`,
          limit: `<= ${limits.away} ms`,
        },
        { what: 'loop delay of the clients p99', value: `${Math.round(delay.percentile(99) / 1e6)} ms` },
        { what: 'machine taken by others before', value: `${Math.round(taken * 100)} %` },
      ],
    });
    const { threw, doubled, resent, published, handled, cuts } = plain.counts;
    recordFigures({
      run: 'R9',
      over: 'plain',
      fault,
      bite: `${cuts} connections cut; amqplib with its own recovery, confirms and manual acks, in the same run`,
      figures: [
        { what: 'commands', value: `${published}` },
        { what: 'that could not be queued', value: `${threw} threw` },
        { what: 'sent again for want of a confirm', value: `${resent}` },
        { what: 'shown twice', value: `${doubled} of ${handled} handled` },
      ],
    });
    assert.equal(new Set(pids).size, ROUNDS + 1);
    assert.ok(
      rounds.every((it) => it.waiting > 0),
      'nothing waited for the broker',
    );
    assert.ok(cuts >= 2 * ROUNDS && threw + doubled > 0, 'the plain one felt nothing');
    assert.equal(commands.accepted.size, commands.sent);
    assert.deepEqual(answers, { lost: [], doubled: [], strange: [] });
    assert.deepEqual([...commands.postponed], []);
    assert.deepEqual(left, [0, 0]);
    assert.deepEqual(await chat.findings(), []);
    assert.ok(
      rounds.every((it) => it.backlogMs <= BACKLOG_MS),
      `the backlog was gone after ${list((it) => it.backlogMs)} ms`,
    );
    assert.ok(told.away.mine.typicalP99 <= limits.away, 'talk is slower without the broker');
    assert.ok(told.back.mine.p99 <= limits.back, 'the backlog makes talk slow');
  }, 300_000);
});

/** Of the talk beside the commands, and of the bystander's. */
interface Delays {
  readonly mine: Delay[];
  readonly other: Delay[];
}

function add(to: Delays, more: Delays): void {
  to.mine.push(...more.mine);
  to.other.push(...more.other);
}

const tell = ({ mine, other }: Delays) => ({ mine: figuresOf(mine), other: figuresOf(other) });
