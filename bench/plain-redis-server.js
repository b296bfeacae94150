// What one would write first for several processes: Socket.IO with its Redis adapter (sharded, dynamic), nothing stored.
import cluster from 'node:cluster';
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createShardedAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';

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
  const io = new Server(server, { pingInterval: 15_000, pingTimeout: 10_000, serveClient: false, adapter });
  const namespace = io.of('/v1/channel');
  let seq = 0;
  namespace.on('connection', (socket) => {
    socket.join('room:bench');
    socket.on('message', ({ chatroom, message, clientId }, ack) => {
      const id = randomUUID();
      const createdAt = new Date().toISOString();
      seq += 1;
      const owner = 'g-00000000-0000-0000-0000-000000000000';
      const sent = { id, chatroom, owner, ownerName: 'somebody', type: 1, message, createdAt, clientId, seq };
      namespace.to('room:bench').emit('message', sent);
      ack({ error: 0, id, seq, createdAt });
    });
  });
  process.on('disconnect', () => process.exit(0));
  server.listen(0, '127.0.0.1');
}
