import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { OPEN_COMMANDS_MAX } from '../../src/chat/ports/store.ts';
import { SqliteWriter } from '../../src/drivers/store/sqlite/sqlite-writer.ts';
import { eventually } from '../support/eventually.ts';
import { rssOf } from '../support/metrics.ts';
import { prepareFolder } from '../support/prepared-folder.ts';
import { rest } from '../support/rest.ts';
import { TestBed } from '../support/test-bed.ts';
import { compareAnswers, openBystander, openCommandChat } from './harness/command-chat.ts';
import { figuresOf, slowerLimit } from './harness/delays.ts';
import { startDistantBroker } from './harness/distant-broker.ts';
import { LONG } from './harness/patience.ts';
import { recordFigures } from './harness/record-figures.ts';
import { setAlarm } from './harness/set-alarm.ts';

const PER_SECOND = LONG ? 100 : 40;
const BEFORE_MS = LONG ? 15_000 : 5000;
const ALARM_MS = LONG ? 30_000 : 5000;
/** Sent while it is alarmed, besides the steady load: in the long form more than may wait. */
const BURST = LONG ? OPEN_COMMANDS_MAX + 500 : 200;
const SETTLE_MS = LONG ? 10_000 : 1000;
const RESUME_MS = 5000;
const DRAINED_MS = LONG ? 120_000 : 30_000;
/** Nobody is told of silence meanwhile. */
const PATIENT = { BOT_REPLY_TIMEOUT_MS: '300000' };

describe('an alarm of the broker', () => {
  let bed: TestBed;
  beforeEach(() => {
    bed = new TestBed();
  });
  afterEach(() => bed.close(), 60_000);

  it(`holds commands back, disturbs nobody, and all of them run once it is over, the first within ${RESUME_MS} ms (R10)`, async () => {
    const { engine, dir } = await startDistantBroker(bed);
    const chat = await openCommandChat(bed, { AMQP_URL: engine.url, ...PATIENT });
    const { commands, talk, server } = chat;
    const bystander = await openBystander(bed);
    const delays = () => ({ talk: figuresOf(talk.takeDelays()), other: figuresOf(bystander.takeDelays()) });

    commands.start(PER_SECOND);
    await eventually('commands are answered', () => commands.answered.size >= PER_SECOND, 15_000);
    delays();
    await sleep(BEFORE_MS);
    const before = delays();

    await setAlarm(engine, dir, true);
    const alarmedAt = performance.now();
    await eventually('it is said', async () => (await chat.degraded()).includes('broker'), 10_000);
    commands.burst(BURST);
    await sleep(SETTLE_MS); // for answers that were on their way, and the burst itself
    delays();
    const answeredThen = commands.answered.size;
    let most = 0;
    for (const until = alarmedAt + ALARM_MS; performance.now() < until; await sleep(50)) {
      most = Math.max(most, commands.accepted.size - commands.answered.size);
    }
    if (LONG) await eventually('no more are taken', () => commands.postponed.size > 0, 60_000);
    const refused = [...commands.postponed];
    const waiting = commands.unanswered;
    const answeredMeanwhile = commands.answered.size - answeredThen;
    const during = delays();
    const rss = server.workerPids().map((pid) => Math.round(rssOf(pid)));
    await setAlarm(engine, dir, false);
    const overAt = performance.now();
    commands.pause();
    await eventually('they are answered', () => waiting.every((n) => commands.answered.has(n)), DRAINED_MS);
    const times = waiting.map((n) => Math.max(0, (commands.answered.get(n)?.at ?? 0) - overAt));
    const answers = compareAnswers(commands, await chat.settle());
    const limit = slowerLimit(
      { before: before.talk, during: during.talk },
      { before: before.other, during: during.other },
    );
    recordFigures({
      run: 'R10',
      over: 'embedded',
      fault: `an alarm of RabbitMQ (memory) for ${ALARM_MS / 1000} s under ${PER_SECOND} commands/s and ${BURST} at once`,
      bite: `${waiting.length} commands waiting, ${answeredMeanwhile} answered meanwhile`,
      figures: [
        { what: 'commands', value: `${commands.sent}` },
        { what: 'that could not be queued', value: `${commands.sent - commands.accepted.size}`, limit: '0' },
        { what: 'waiting at most', value: `${most}`, limit: `<= ${OPEN_COMMANDS_MAX}` },
        { what: 'put off', value: JSON.stringify(refused) },
        { what: 'first answer after', value: `${Math.round(Math.min(...times))} ms`, limit: `<= ${RESUME_MS} ms` },
        { what: 'last answer after', value: `${Math.round(Math.max(...times))} ms` },
        { what: 'accepted and lost', value: `${answers.lost.length}`, limit: '0' },
        { what: 'shown twice', value: `${answers.doubled.length}`, limit: '0' },
        { what: 'talk p99', value: `${before.talk.p99} -> ${during.talk.p99} ms` },
        { what: 'the same of a bystander', value: `${before.other.p99} -> ${during.other.p99} ms` },
        {
          what: 'talk p99 of the median second',
          value: `${before.talk.typicalP99} -> ${during.talk.typicalP99} ms`,
          limit: `<= ${limit} ms`,
        },
        { what: 'memory of the workers', value: `${rss.join(', ')} MiB` },
      ],
    });
    assert.ok(waiting.length > BURST / 2, 'nothing waited');
    assert.equal(answeredMeanwhile, 0, 'the alarm was none');
    assert.ok(most <= OPEN_COMMANDS_MAX, `${most} commands waited`);
    assert.ok(refused.every(([what]) => /^503 \d+$/.test(what)));
    assert.equal(refused.length > 0, LONG);
    assert.deepEqual(answers, { lost: [], doubled: [], strange: [] });
    assert.deepEqual(await chat.findings(), []);
    assert.ok(Math.min(...times) <= RESUME_MS, `the first answer came after ${Math.min(...times)} ms`);
    assert.ok(during.talk.typicalP99 <= limit, 'talk is slower while it is alarmed');
  }, 300_000);

  it(`or its absence lets ${OPEN_COMMANDS_MAX} commands wait; more are put off by name, and talk goes on (R10)`, async () => {
    const dataDir = join(await bed.folder(), 'data');
    const left = 10;
    const folder = await prepareFolder(dataDir, { rooms: 1, users: 0 }, () => []);
    const [room = ''] = folder.rooms;
    await storeCommands(dataDir, room, folder.owner, OPEN_COMMANDS_MAX - left);
    const env = { DATA_DIR: dataDir, AMQP_URL: 'amqp://127.0.0.1:1', LOG: 'error' };
    const server = await bed.server({ INSTANCES: '2', ...env });
    const send = (message: string) =>
      rest<{ code: string; error: number }>(server.url, `POST /v1/chat/rooms/${room}/messages`, {
        token: folder.owner.token,
        body: { message, clientId: randomUUID() },
      });
    const sent = await Promise.all(Array.from({ length: 3 * left }, (_, n) => send(`/hello=${n}`)));
    const refused = sent.filter((it) => it.status !== 202);
    assert.equal(refused.length, 2 * left);
    for (const { status, headers, body } of refused) {
      assert.deepEqual([status, body.error, body.code], [503, 612, 'try_again']);
      assert.ok(Number(headers['retry-after']) >= 1);
    }
    assert.equal((await send('a message')).status, 201);
  }, 60_000);
});

/** As a server leaves them behind that had no broker and died. */
async function storeCommands(
  dir: string,
  room: string,
  { user, name }: { readonly user: string; readonly name: string },
  count: number,
): Promise<void> {
  const writer = await SqliteWriter.open(dir);
  try {
    const at = Date.now();
    const one = (n: number) => ({
      id: randomUUID(),
      chatroom: room,
      user,
      userName: name,
      clientId: randomUUID(),
      fingerprint: 'f',
      command: 'hello',
      args: `${n}`,
      message: `/hello=${n}`,
      createdAt: new Date(at).toISOString(),
      deadline: at + 3_600_000,
      ticket: randomUUID(),
    });
    await writer.submitAll(Array.from({ length: count }, (_, n) => ({ name: 'putCommand', args: [one(n)] })));
  } finally {
    await writer.close();
  }
}
