// The server beside Parley on the embedded parts: one process, Socket.IO alone.
import { createServer } from 'node:http';
import { servePlainChat } from './plain-chat.js';

const server = createServer();
servePlainChat(server, 'bench');
server.listen(0, '127.0.0.1', () => console.log(`listens on http://127.0.0.1:${server.address().port}`));
process.once('SIGTERM', () => process.exit(0));
