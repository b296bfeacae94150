import { strict as assert } from 'node:assert';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { botCommand, botReply } from '../../src/wire/queue.ts';
import { engines } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { Queues } from '../support/queues.ts';
import { ROOT } from '../support/root.ts';

describe('documents: the bot of bots.md', () => {
  let folder: string;
  let queues: Queues;
  let bot: ChildProcess;
  let output = '';

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-bot-'));
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    const page = await readFile(join(ROOT, 'docs/bots.md'), 'utf8');
    await writeFile(join(folder, 'bot.mjs'), /```js\n(.*?)```/s.exec(page)?.[1] ?? '');
    queues = await Queues.open(engines.rabbitmq());
    for (const queue of [queues.queue, queues.botQueue]) await queues.declare(queue, { durable: true });
    bot = spawn(process.execPath, [join(folder, 'bot.mjs')], {
      env: { AMQP_URL: engines.rabbitmq(), AMQP_QUEUE: queues.queue, AMQP_BOT_QUEUE_BOT: queues.botQueue },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [bot.stdout, bot.stderr]) stream?.on('data', (chunk) => (output += String(chunk)));
    await eventually('the bot listens', () => output.includes('listening'), 15_000).catch((cause: unknown) => {
      throw new Error(output, { cause });
    });
  }, 30_000);
  afterAll(async () => {
    const ended = new Promise((resolve) => bot.once('close', resolve));
    bot.kill();
    await ended;
    await queues.close();
    await rm(folder, { recursive: true });
  });

  it('answers its word as the schemas want it, and takes others without a word', async () => {
    const full = botCommand.meta()?.examples as [Record<string, unknown>];
    await queues.send(queues.botQueue, { ...full[0], command: 'other' });
    await queues.send(queues.botQueue, { ...full[0], message: '/time', command: 'time', args: '' });
    const { content, properties } = await queues.take(queues.queue);
    const reply = botReply.parse(JSON.parse(content.toString()));
    assert.match(reply.message, /^It is \d{4}-/);
    assert.deepEqual(
      [reply.inReplyTo, reply.token, properties.correlationId, properties.messageId],
      [full[0].id, full[0].token, full[0].id, reply.id],
    );
    await eventually('both are settled', async () => (await queues.count(queues.botQueue)) === 0);
    assert.equal(await queues.count(queues.queue), 0, output);
  }, 30_000);
});
