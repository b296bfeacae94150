import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { type Channel, connect } from 'amqplib';
import { RabbitmqBroker } from '../../src/drivers/jobs/rabbitmq/rabbitmq-broker.ts';
import { type Engine, startRabbitmq } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { keptLog } from '../support/redis-nodes.ts';
import { ROOT } from '../support/root.ts';

const CTL = '/usr/lib/rabbitmq/bin/rabbitmqctl';
const QUEUES = { queue: 'bot-jobsity-chat', botQueue: 'bot-jobsity-bot' };

function shell(script: string, cwd: string, env: Record<string, string>): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', ['-euc', script], {
      cwd,
      env: { PATH: process.env.PATH ?? '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
    child.once('error', reject);
    child.once('close', (code) => (code === 0 ? resolve() : reject(new Error(`${code}: ${output}`))));
  });
}

describe('documents: the RabbitMQ users of install-rabbitmq.md', () => {
  let dir: string;
  let engine: Engine;
  const brokers: RabbitmqBroker[] = [];

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'parley-install-'));
    engine = await startRabbitmq({ dir });
    const page = await readFile(join(ROOT, 'docs/install-rabbitmq.md'), 'utf8');
    const commands = page.split('\n').filter((it) => /^(?:openssl rand|rabbitmqctl (?:add|set|delete)_)/.test(it));
    assert.equal(commands.length, 8);
    await shell([`rabbitmqctl() { ${CTL} "$@"; }`, ...commands].join('\n'), dir, {
      HOME: `${dir}/home`,
      RABBITMQ_NODENAME: `t${engine.port}@localhost`,
      ERL_EPMD_PORT: `${engine.port + 2}`,
    });
  }, 240_000);
  afterAll(async () => {
    for (const it of brokers) await it.close();
    await engine.stop();
    await rm(dir, { recursive: true });
  }, 60_000);

  const urlOf = async (role: 'chat' | 'bots'): Promise<string> => {
    const password = (await readFile(join(dir, `${role}-password`), 'utf8')).trim();
    return `amqp://parley-${role}:${password}@127.0.0.1:${engine.port}/parley`;
  };
  const open = async (role: 'chat' | 'bots', declare: boolean): Promise<RabbitmqBroker> => {
    const log = keptLog();
    const broker = new RabbitmqBroker({ url: await urlOf(role), ...QUEUES, mode: 'auto', declare, log });
    brokers.push(broker);
    await eventually(`${role} can use the queues`, () => broker.reach === 'here', 30_000).catch((cause: unknown) => {
      throw new Error(JSON.stringify(log.lines), { cause });
    });
    assert.ok(!log.lines.some((it) => it.level === 'warn'), JSON.stringify(log.lines));
    return broker;
  };

  it('may do what each role does', async () => {
    const chat = await open('chat', true);
    const bots = await open('bots', false);
    const taken: string[] = [];
    const take =
      (who: string) =>
      async ({ body }: { body: Buffer }): Promise<void> =>
        void taken.push(`${who} ${body}`);
    await bots.consume({ queue: QUEUES.botQueue, prefetch: 1, take: take('bots') });
    await chat.consume({ queue: QUEUES.queue, prefetch: 1, take: take('chat') });
    await chat.publish({ queue: QUEUES.botQueue, id: 'c', body: Buffer.from('command') });
    await bots.publish({ queue: QUEUES.queue, id: 'r', body: Buffer.from('reply') });
    await chat.publish({ queue: `${QUEUES.queue}.dead`, id: 'd', body: Buffer.from('put aside') });
    await eventually('both are taken', () => taken.length === 2, 10_000);
    assert.deepEqual(taken.sort(), ['bots command', 'chat reply']);
  }, 60_000);

  it('may do nothing else', async () => {
    const refused = async (role: 'chat' | 'bots', ask: (channel: Channel) => Promise<unknown>): Promise<void> => {
      const model = await connect(await urlOf(role));
      model.on('error', () => {});
      const channel = await model.createChannel();
      channel.on('error', () => {});
      await assert.rejects(ask(channel), /ACCESS_REFUSED|403/);
      await model.close();
    };
    await refused('bots', (it) => it.consume(QUEUES.queue, () => {}));
    await refused('bots', (it) => it.assertQueue('another'));
    await refused('bots', (it) => it.deleteQueue(QUEUES.botQueue));
    await refused('chat', (it) => it.assertQueue('another'));
    await refused('chat', (it) => it.assertExchange('another', 'fanout'));
    await assert.rejects(connect(`amqp://guest:guest@127.0.0.1:${engine.port}/parley`), /403|ACCESS_REFUSED/);
    await assert.rejects(connect((await urlOf('bots')).replace(/parley$/, '%2F')), /ConnectionClose/);
  }, 60_000);
});
