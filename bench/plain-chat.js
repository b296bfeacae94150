import { randomUUID } from 'node:crypto';
import { Server } from 'socket.io';

/** What one would write first: the payload of Parley's messages over the same Socket.IO, nothing stored, nothing ordered. */
export function servePlainChat(server, room, options = {}) {
  const io = new Server(server, { pingInterval: 15_000, pingTimeout: 10_000, serveClient: false, ...options });
  const namespace = io.of('/v1/channel');
  let seq = 0;
  namespace.on('connection', (socket) => {
    socket.join(room);
    socket.on('message', ({ chatroom, message, clientId }, ack) => {
      const id = randomUUID();
      const createdAt = new Date().toISOString();
      seq += 1;
      const owner = 'g-00000000-0000-0000-0000-000000000000';
      const sent = { id, chatroom, owner, ownerName: 'somebody', type: 1, message, createdAt, clientId, seq };
      namespace.to(room).emit('message', sent);
      ack({ error: 0, id, seq, createdAt });
    });
  });
}
