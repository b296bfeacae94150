import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, describe, it } from '@jest/globals';
import { freePorts } from '../../scripts/engines/free-ports.js';
import { inFrontOf } from '../deploy/nginx.ts';
import { Pm2 } from '../deploy/pm2.ts';
import { engines } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { runFlow } from '../support/flow.ts';
import { rest } from '../support/rest.ts';
import { buildOnce } from '../support/spawn-server.ts';
import { TestBed } from '../support/test-bed.ts';

describe('the same flow under pm2, behind nginx, on all engines', () => {
  const bed = new TestBed();
  afterAll(() => bed.close(), 60_000);

  it('with the bots as the second app', async () => {
    buildOnce();
    const id = randomUUID().slice(0, 8);
    const dir = await bed.folder();
    const port = String(await freePorts(1));
    const settings = {
      PORT: port,
      INSTANCES: '2',
      DATA_DIR: join(dir, 'data'),
      RATE_MESSAGES: 'off',
      RATE_ROOMS: 'off',
      RATE_GUESTS: 'off',
      REDIS_URL: engines.redis(),
      REDIS_KEY: `flow-${id}`,
      MONGODB_URI: engines.mongodb(`flow-${id}`),
      AMQP_URL: engines.rabbitmq(),
      AMQP_QUEUE: `chat-${id}`,
      AMQP_BOT_QUEUE_BOT: `bots-${id}`,
    };
    const pm2 = bed.own(new Pm2(dir, settings), (it) => it.close());
    await pm2.run(['start', 'ecosystem.config.js']);
    const nginx = await inFrontOf(bed, { port });
    await eventually(
      'it is ready',
      async () => (await rest(`http://127.0.0.1:${port}`, 'GET /readyz')).status === 200,
      20_000,
    );
    await runFlow(bed, [nginx.url]);
  }, 120_000);
});
