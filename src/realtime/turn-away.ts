import { type IncomingMessage, ServerResponse } from 'node:http';
import type { ChatServer } from './socket-types.ts';

/** Of an existing connection: its polls and its upgrade. */
const HAS_SID = /[?&]sid=/;
const RETRY_AFTER_S = 1;

/**
 * Answers 503 to whoever opens a connection while `isClosed` says so, before anything is made of it. To every client of
 * Engine.IO that is a connection that failed, and is tried again by itself; a refusal by Socket.IO ends the trying of
 * plain clients for good.
 */
export function turnAway(io: ChatServer, isClosed: () => boolean): void {
  io.engine.use((request: IncomingMessage, response: object, next: () => void) => {
    if (HAS_SID.test(request.url ?? '') || !isClosed()) return next();
    const body = JSON.stringify({ message: 'not at the moment; connect again' });
    const headers = {
      'Retry-After': RETRY_AFTER_S,
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
      Connection: 'close',
    };
    if (response instanceof ServerResponse) {
      response.writeHead(503, headers).end(body);
      return;
    }
    // An upgrade has no response: it is answered on its connection.
    const { socket } = request;
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.on('error', () => socket.destroy());
    socket.end(`HTTP/1.1 503 Service Unavailable\r\n${lines.join('')}\r\n${body}`);
  });
}
