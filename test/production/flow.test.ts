import { randomUUID } from 'node:crypto';
import { afterEach, describe, it } from '@jest/globals';
import { engines } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { runFlow } from '../support/flow.ts';
import { TestBed } from '../support/test-bed.ts';

/** Settings of one chat on shared engines: names of its own, so that no two tests meet. */
function namesOfOneChat() {
  const id = randomUUID().slice(0, 8);
  const redis = { REDIS_URL: engines.redis(), REDIS_KEY: `flow-${id}` };
  const mongodb = { MONGODB_URI: engines.mongodb(`flow-${id}`) };
  const rabbitmq = { AMQP_URL: engines.rabbitmq(), AMQP_QUEUE: `chat-${id}`, AMQP_BOT_QUEUE_BOT: `bots-${id}` };
  return { redis, mongodb, rabbitmq };
}

describe('the same flow on every set-up', () => {
  let bed: TestBed;
  const test = (name: string, run: () => Promise<void>) =>
    it(name, async () => {
      bed = new TestBed();
      await run();
    }, 90_000);
  afterEach(() => bed.close(), 60_000);

  test('embedded parts', async () => {
    const { url } = await bed.server({ INSTANCES: '2' });
    await runFlow(bed, [url]);
  });

  test('Redis', async () => {
    const { redis } = namesOfOneChat();
    const { url } = await bed.server({ INSTANCES: '2', ...redis });
    await runFlow(bed, [url]);
  });

  test('Redis and MongoDB, two servers', async () => {
    const { redis, mongodb } = namesOfOneChat();
    const dataDir = await bed.folder(); // the key of guest tokens is shared
    const env = { INSTANCES: '2', DATA_DIR: dataDir, ...redis, ...mongodb };
    const [one, two] = await Promise.all([bed.server(env), bed.server(env)]);
    await runFlow(bed, [one.url, two.url]);
  });

  test('Redis, MongoDB and RabbitMQ, two servers and two processes of bots', async () => {
    const { redis, mongodb, rabbitmq } = namesOfOneChat();
    const dataDir = await bed.folder();
    const env = { INSTANCES: '2', DATA_DIR: dataDir, ...redis, ...mongodb, ...rabbitmq };
    const bots = await Promise.all([bed.start(rabbitmq, ['--bots']), bed.start(rabbitmq, ['--bots'])]);
    const [one, two] = await Promise.all([bed.server(env), bed.server(env)]);
    for (const it of bots) await eventually('the bots listen', () => /Parley bots/.test(it.output), 15_000);
    await runFlow(bed, [one.url, two.url]);
  });
});
