/**
 * The server to compare with: several processes of plain Socket.IO with its Redis adapter, as one would write it first.
 * A message is acknowledged and goes to whoever is connected; nothing is stored. A process that dies is replaced.
 * `plain-server.ts REDIS_URL WORKERS [maxRetriesPerRequest]`
 */
import cluster from 'node:cluster';
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';

const AGAIN_MS = 1000;
let lastDeathAt = -Infinity;
const [url = '', workers = '1', retries] = process.argv.slice(2);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

if (cluster.isPrimary) {
  for (let n = 0; n < Number(workers); n += 1) cluster.fork();
  cluster.on('listening', ({ id, process: { pid } }, { port }) => say(`worker ${id} pid ${pid} port ${port}`));
  cluster.on('exit', ({ id }, code, signal) => {
    say(`gone ${id} ${signal ?? code}`);
    // At once, as long as they do not die one after the other.
    const now = performance.now();
    setTimeout(() => cluster.fork(), now - lastDeathAt > AGAIN_MS ? 0 : AGAIN_MS);
    lastDeathAt = now;
  });
  process.on('SIGTERM', () => process.exit(0));
} else {
  const connect = (): Redis =>
    retries === undefined ? new Redis(url) : new Redis(url, { maxRetriesPerRequest: Number(retries) });
  const [publisher, subscriber] = [connect(), connect()];
  for (const it of [publisher, subscriber]) it.on('error', () => {}); // without it every error would be printed
  const server = createServer();
  const io = new Server(server, { adapter: createAdapter(publisher, subscriber), serveClient: false });
  const namespace = io.of('/v1/channel');
  namespace.on('connection', (socket) => {
    void socket.join(String(socket.handshake.auth.token));
    socket.emit('authentication', { node: String(cluster.worker?.id) });
    socket.on('message', (sent: { chatroom: string; message: string; clientId: string }, ack: (it: object) => void) => {
      const id = randomUUID();
      namespace.to(sent.chatroom).emit('message', { ...sent, id, seq: 0, createdAt: new Date().toISOString() });
      ack({ error: 0, id, seq: 0 });
    });
  });
  process.on('disconnect', () => process.exit(0));
  server.listen(0, '127.0.0.1');
}
