// Measures Parley on Redis and MongoDB beside plain Socket.IO with its Redis adapter, in one run. The engines are started
// for it on this machine and share its cores: compare the ratios. `npm run bench:engines -- --seconds 8 --rates 100,400`

import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { startMongodb } from '../scripts/engines/mongodb.js';
import { startRedis } from '../scripts/engines/redis.js';
import { measureFanOut } from './measure-fan-out.js';
import { measureIdleWorkers } from './measure-idle-workers.js';
import { measureMongodbAppends } from './measure-mongodb-appends.js';
import { parleyOnEngines, plainOnRedis } from './servers.js';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '8' },
    members: { type: 'string', default: '200' },
    rates: { type: 'string', default: '100,400' },
    workers: { type: 'string', default: '2' },
  },
});
const seconds = Number(values.seconds);
const members = Number(values.members);
const workers = Number(values.workers);

const redis = await startRedis();
const mongodb = await startMongodb();
const databaseAt = (name) => Object.assign(new URL(mongodb.url), { pathname: `/${name}` }).href;
const engines = { redis: redis.url, mongodb: databaseAt };
try {
  console.log(
    `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model.trim()}; MongoDB is the engine of the tests.`,
  );
  console.log(`One room of ${members} members on ${workers} workers, ${seconds} s per row.\n`);
  const rows = [];
  for (const rate of values.rates.split(',').map(Number)) {
    const plain = await measureFanOut(() => plainOnRedis(workers, engines), { rate, seconds, members });
    const parley = await measureFanOut(() => parleyOnEngines(workers, engines), { rate, seconds, members });
    for (const [server, it] of Object.entries({
      'Socket.IO + redis-adapter': plain,
      'Parley, Redis + MongoDB': parley,
    })) {
      rows.push({
        server,
        'messages/s': rate,
        'deliveries/s': Math.round(it.deliveriesPerSecond),
        'deliveries per CPU s': Math.round(it.deliveriesPerCpuSecond),
        'ratio to plain': (it.deliveriesPerCpuSecond / plain.deliveriesPerCpuSecond).toFixed(2),
        'p50 ms': it.p50.toFixed(1),
        'p99 ms': it.p99.toFixed(1),
        complete: it.complete ? 'yes' : 'no',
      });
    }
  }
  console.table(rows);

  for (const rooms of [1, 16]) {
    const uri = databaseAt(`bench-appends-${rooms}`);
    const { store, plain } = await measureMongodbAppends({ uri, seconds, inFlight: 64, rooms });
    console.log(
      `Acknowledged appends, 64 in flight in ${rooms} rooms: ${Math.round(store)}/s; one insertOne per message: ` +
        `${Math.round(plain)}/s; ratio ${(store / plain).toFixed(1)}`,
    );
  }
  console.log();

  console.log('20 members on one worker, 100 messages a second: what each other worker spends');
  const idle = [];
  for (const count of [1, 2, 4, 8]) {
    const found = await measureIdleWorkers(() => parleyOnEngines(count, engines), { seconds });
    idle.push({
      workers: count,
      'CPU ms/s each, idle': found.idle.toFixed(1),
      'while the room talks': found.talking.toFixed(1),
    });
  }
  console.table(idle);
} finally {
  await redis.stop();
  await mongodb.stop();
}
