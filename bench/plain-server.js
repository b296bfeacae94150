// What one would write first: the same room and the same payload over the same Socket.IO, nothing stored, nothing ordered.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { Server } from 'socket.io';

const server = createServer();
const io = new Server(server, { pingInterval: 15_000, pingTimeout: 10_000, serveClient: false });
const namespace = io.of('/v1/channel');
let seq = 0;
namespace.on('connection', (socket) => {
  socket.join('bench');
  socket.on('message', ({ chatroom, message, clientId }, ack) => {
    const id = randomUUID();
    const createdAt = new Date().toISOString();
    seq += 1;
    const owner = 'g-00000000-0000-0000-0000-000000000000';
    const sent = { id, chatroom, owner, ownerName: 'somebody', type: 1, message, createdAt, clientId, seq };
    namespace.to('bench').emit('message', sent);
    ack({ error: 0, id, seq, createdAt });
  });
});
server.listen(0, '127.0.0.1', () => console.log(`listens on http://127.0.0.1:${server.address().port}`));
process.once('SIGTERM', () => process.exit(0));
