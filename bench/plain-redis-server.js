// The server beside Parley on Redis: several processes, Socket.IO with its Redis adapter (sharded, dynamic).
import cluster from 'node:cluster';
import { createServer } from 'node:http';
import { createShardedAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import { servePlainChat } from './plain-chat.js';

const url = process.env.REDIS_URL;
if (cluster.isPrimary) {
  const ports = new Set();
  for (let n = 0; n < Number(process.env.INSTANCES); n += 1) cluster.fork();
  cluster.on('listening', (worker, address) => {
    ports.add(worker.id);
    if (ports.size === Number(process.env.INSTANCES)) console.log(`listens on http://127.0.0.1:${address.port}`);
  });
  process.once('SIGTERM', () => process.exit(0));
} else {
  const server = createServer();
  const adapter = createShardedAdapter(new Redis(url), new Redis(url), { subscriptionMode: 'dynamic' });
  servePlainChat(server, 'room:bench', { adapter });
  process.on('disconnect', () => process.exit(0));
  server.listen(0, '127.0.0.1');
}
