import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { RabbitmqJobs } from '../../src/drivers/jobs/rabbitmq/rabbitmq-jobs.ts';
import { command } from '../contracts/jobs-contract.ts';
import { type Engine, engines, startRabbitmq } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { Queues } from '../support/queues.ts';
import { type QuoteServer, startQuoteServer } from '../support/quote-server.ts';
import { createGuest, createRoom, type Guest, readHistory, rest } from '../support/rest.ts';
import type { SpawnedServer } from '../support/spawn-server.ts';
import { TestBed } from '../support/test-bed.ts';

const START_MS = 30_000;
const ANSWER_MS = 10_000;
/** An own broker needs long on a busy machine. */
const ENGINE_MS = 180_000;

let bed: TestBed;
let server: SpawnedServer;
let queues: Queues;
let owner: Guest;
let room: string;

const brokerOf = ({ url, queue, botQueue }: Queues) => ({
  AMQP_URL: url,
  AMQP_QUEUE: queue,
  AMQP_BOT_QUEUE_BOT: botQueue,
  LOG: 'warn',
});

async function openServer(url: string, env: Record<string, string> = {}): Promise<void> {
  queues = bed.own(await Queues.open(url), (it) => it.close());
  server = await bed.server({ INSTANCES: '2', ...brokerOf(queues), ...env });
  owner = await createGuest(server.url, 'Owner');
  room = await createRoom(server.url, owner.token, 'Commands');
}

async function startBots(env: Record<string, string> = {}): Promise<SpawnedServer> {
  const bots = await bed.start({ ...brokerOf(queues), ...env }, ['--bots']);
  await eventually('the bots consume', () => consumes(bots), START_MS);
  return bots;
}

const consumes = (bots: SpawnedServer): boolean => bots.output.includes(`Parley bots consume ${queues.botQueue}\n`);

/** Sends a command until it is accepted; resolves with its id. */
async function send(message: string): Promise<string> {
  const clientId = message;
  return eventually(
    `${message} is accepted`,
    async () => {
      const { status, body } = await rest<{ id: string }>(server.url, `POST /v1/chat/rooms/${room}/messages`, {
        token: owner.token,
        body: { message, clientId },
      });
      return status === 202 && body.id;
    },
    START_MS,
  ).then((id) => id || '');
}

/** `perSecond` commands at even intervals until it is stopped, which resolves with the ids of all of them. */
function startLoad(perSecond: number): { stop(): Promise<string[]> } {
  const sent: Promise<string>[] = [];
  const startedAt = performance.now();
  const timer = setInterval(() => {
    const due = ((performance.now() - startedAt) / 1000) * perSecond;
    while (sent.length < due) {
      const one = send(`/hello=${sent.length}`);
      one.catch(() => {}); // told by stop
      sent.push(one);
    }
  }, 10);
  bed.own(timer, clearInterval);
  return {
    stop: () => {
      clearInterval(timer);
      return Promise.all(sent);
    },
  };
}

/** How many messages the room has: answers, and nothing else. */
async function countAnswers(): Promise<number> {
  const { body } = await rest<{ headSeq: number }>(server.url, `GET /v1/chat/rooms/${room}`, { token: owner.token });
  return body.headSeq;
}

/** Every accepted command is answered once, and nothing else is in the room. */
async function expectAnswers(ids: readonly string[], withinMs: number): Promise<void> {
  await eventually('all are answered', async () => (await countAnswers()) >= ids.length, withinMs).catch(() => {});
  const history = await readHistory(server.url, owner.token, room);
  assert.deepEqual(history.map((it) => it.inReplyTo).sort(), [...ids].sort());
}

beforeEach(() => {
  bed = new TestBed();
});
afterEach(() => bed.close(), 60_000);

describe('bots as processes of their own', () => {
  let quotes: QuoteServer;

  beforeEach(async () => {
    quotes = await startQuoteServer();
    bed.own(quotes, (it) => it.close());
  });

  it('answer each command once, though one of them is killed while it works', async () => {
    await openServer(engines.rabbitmq());
    const dying = await startBots();
    await startBots();
    const load = startLoad(50);
    await eventually('some are answered', async () => (await countAnswers()) > 50);
    dying.signal('SIGKILL');
    await dying.exited;
    const before = await countAnswers();
    await eventually('the other goes on', async () => (await countAnswers()) > before + 100, ANSWER_MS);
    await expectAnswers(await load.stop(), ANSWER_MS);
    assert.equal(await queues.count(queues.queue), 0);
    assert.equal(await queues.count(`${queues.queue}.dead`), 0);
    assert.equal(await queues.count(`${queues.botQueue}.dead`), 0);
  }, 90_000);

  it('see no token of a user, and neither does any log; unknown words are refused at once', async () => {
    await openServer(engines.rabbitmq(), { LOG: 'silly' });
    const id = await send('/stock=aapl.us');
    const { content, properties } = await queues.take(queues.botQueue);
    assert.match(JSON.parse(content.toString()).token, new RegExp(`^ticket\\.${id}\\.`));
    assert.doesNotMatch(content.toString() + JSON.stringify(properties), new RegExp(owner.token));
    await queues.send(queues.botQueue, content.toString(), { messageId: id }); // back, for the bots
    const bots = await startBots({ STOCK_URL: quotes.url, LOG: 'silly' });
    const answer = () => readHistory(server.url, owner.token, room).then((it) => it[0]);
    assert.equal((await eventually('it is answered', answer, ANSWER_MS))?.message, 'AAPL.US quote is $93.42 per share');
    for (const { output } of [server, bots]) assert.ok(!output.includes(owner.token));
    const refused = await rest(server.url, `POST /v1/chat/rooms/${room}/messages`, {
      token: owner.token,
      body: { message: '/nobody knows' },
    });
    assert.equal(refused.status, 404);
  }, 60_000);

  it('get the user’s token where it is forwarded; it is stored and logged nowhere', async () => {
    await openServer(engines.rabbitmq(), { BOT_TOKEN_MODE: 'forward', LOG: 'silly' });
    await send('/hello=forwarded');
    const { content } = await queues.take(queues.botQueue);
    assert.equal(JSON.parse(content.toString()).token, owner.token);
    await queues.send(queues.botQueue, content.toString());
    const bots = await startBots();
    await eventually('answered', async () => (await countAnswers()) === 1, ANSWER_MS);
    await server.stop();
    for (const { output } of [server, bots]) assert.ok(!output.includes(owner.token));
    const found = spawnSync('grep', ['-rlF', owner.token, server.options.dataDir], { encoding: 'utf8' });
    assert.deepEqual([found.status, found.stdout], [1, '']);
  }, 60_000);

  it('and bots of another make with an account of their own speak three fields', async () => {
    await openServer(engines.rabbitmq());
    const made = spawnSync(
      process.execPath,
      [join(import.meta.dirname, '../../dist/cli.js'), 'token', '--name', 'News', '--roles', 'bot', '--type', '3'],
      { env: { PATH: process.env.PATH, DATA_DIR: server.options.dataDir }, encoding: 'utf8' },
    );
    const said = { chatroom: room, token: made.stdout.trim(), message: 'It rains' };
    await queues.send(queues.queue, said, { messageId: 'news 1' });
    await queues.send(queues.queue, said, { messageId: 'news 1' });
    await queues.send(queues.queue, { ...said, token: owner.token });
    const dead = await queues.takeDead(queues.queue);
    assert.equal(dead.reason, 'role_required');
    const history = await readHistory(server.url, owner.token, room);
    assert.deepEqual(
      history.map((it) => it.message),
      ['It rains'],
    );
  }, 60_000);

  it('finish what is under way when they are told to end', async () => {
    await openServer(engines.rabbitmq());
    const bots = await startBots({ STOCK_URL: quotes.url });
    quotes.held = true;
    await send('/stock=slow.us');
    await eventually('the bot asks', () => quotes.waiting === 1, ANSWER_MS);
    assert.deepEqual(await bots.stop(), { code: 0, signal: null });
    const answer = await eventually(
      'it is answered',
      async () => (await readHistory(server.url, owner.token, room))[0],
      ANSWER_MS,
    );
    assert.match(answer?.message ?? '', /does not answer/);
  }, 60_000);

  it('need nothing but the broker, and say what is wrong with that', async () => {
    queues = bed.own(await Queues.open(engines.rabbitmq()), (it) => it.close());
    await startBots({ ENV: 'production' });
    const local = await bed.start({}, ['--bots']);
    assert.deepEqual(await local.exited, { code: 78, signal: null });
    assert.match(local.output, /BROKER=local: .* inside the server/);
    const wrong = await bed.start({ AMQP_PORT: 'x', AMQP_QUEUE: 'a', AMQP_BOT_QUEUE_BOT: 'a', LOG: 'loud' }, [
      '--bots',
    ]);
    assert.deepEqual(await wrong.exited, { code: 78, signal: null });
    for (const name of ['AMQP_PORT', 'AMQP_QUEUE', 'LOG']) assert.match(wrong.output, new RegExp(`- ${name}`));
  }, 60_000);
});

describe('a broker that goes away', () => {
  let engine: Engine;
  let dir: string;

  beforeEach(async () => {
    dir = await bed.folder();
    engine = bed.own(await startRabbitmq({ dir: join(dir, 'rabbitmq') }), (it) => it.stop());
  }, ENGINE_MS);

  const degraded = async (): Promise<string[] | undefined> => {
    const { status, body } = await rest<{ degraded: string[] }>(server.url, 'GET /readyz');
    return status === 200 ? body.degraded : undefined;
  };

  it(
    'loses no accepted command when it is killed, and all goes on by itself when it is back',
    async () => {
      await openServer(engine.url);
      await startBots();
      const load = startLoad(50);
      await eventually('some are answered', async () => (await countAnswers()) > 50, ANSWER_MS);
      await engine.kill();
      await eventually('it is said', async () => (await degraded())?.includes('broker'), ANSWER_MS);
      const before = await countAnswers();
      await engine.restart();
      await eventually('it is said', async () => (await degraded())?.length === 0, ANSWER_MS);
      await eventually('all goes on', async () => (await countAnswers()) > before + 100, ANSWER_MS);
      await expectAnswers(await load.stop(), ANSWER_MS);
      await queues.reopen();
    },
    ENGINE_MS,
  );

  it(
    'holds commands back while it is alarmed, and runs them then',
    async () => {
      await openServer(engine.url);
      await startBots();
      const alarm = (on: boolean): void => {
        const { status, stderr } = spawnSync(
          '/usr/lib/rabbitmq/bin/rabbitmqctl',
          ['set_vm_memory_high_watermark', on ? '0' : '0.4'],
          {
            env: {
              PATH: process.env.PATH,
              HOME: join(dir, 'rabbitmq/home'),
              RABBITMQ_NODENAME: `t${engine.port}@localhost`,
              ERL_EPMD_PORT: String(engine.port + 2),
            },
            encoding: 'utf8',
          },
        );
        assert.equal(status, 0, stderr);
      };
      const first = await send('/hello=before');
      await expectAnswers([first], ANSWER_MS);
      alarm(true);
      const sent = await Promise.all(Array.from({ length: 50 }, (_, n) => send(`/hello=${n}`)));
      await eventually('it is said', async () => (await degraded())?.includes('broker'), ANSWER_MS);
      assert.equal(await countAnswers(), 1);
      alarm(false);
      await expectAnswers([first, ...sent], 5000);
    },
    ENGINE_MS,
  );

  it(
    'hangs nobody while it is frozen',
    async () => {
      queues = bed.own(await Queues.open(engine.url), (it) => it.close());
      const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
      const { url, queue, botQueue } = queues;
      const open = () => new RabbitmqJobs({ url, queue, botQueue, mode: 'auto', declare: true, log });
      const [jobs, other] = [open(), open()];
      bed.own(jobs, (it) => it.close());
      await eventually('both are connected', () => jobs.reach === 'here' && other.reach === 'here', ANSWER_MS);
      engine.freeze();
      const frozenAt = performance.now();
      await Promise.all([
        assert.rejects(jobs.publish(command('1')), { code: 'try_again' }),
        assert.rejects(jobs.publish(command('2')), { code: 'try_again' }),
        other.close(),
      ]);
      assert.ok(performance.now() - frozenAt < 5500);
      await eventually('it is taken for away', () => jobs.reach === 'away', 30_000);
      engine.thaw();
      await eventually('it is back', () => jobs.reach === 'here', ANSWER_MS);
      await jobs.publish(command('3'));
      await queues.reopen();
    },
    ENGINE_MS,
  );
});
