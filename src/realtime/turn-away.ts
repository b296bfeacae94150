import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { answerOnce } from './answer-once.ts';
import type { ChatServer } from './socket-types.ts';

/** Of an existing connection: its polls and its upgrade. */
export const HAS_SID = /[?&]sid=/;
const HEADERS = { 'Retry-After': 1, 'Content-Type': 'application/json' };
const BODY = JSON.stringify({ message: 'not at the moment; connect again' });

/**
 * Answers 503 to whoever opens a connection while `isClosed` says so, before anything is made of it. To every client of
 * Engine.IO that is a connection that failed, and is tried again by itself; a refusal by Socket.IO ends the trying of
 * plain clients for good.
 */
export function turnAway(io: ChatServer, isClosed: () => boolean): void {
  io.engine.use((request: IncomingMessage, response: object, next: () => void) => {
    if (HAS_SID.test(request.url ?? '') || !isClosed()) return next();
    if (response instanceof ServerResponse) response.writeHead(503, { ...HEADERS, Connection: 'close' }).end(BODY);
    else turnAwaySocket(request.socket); // an upgrade has no response: it is answered on its connection
  });
}

/** The same, on a connection without a response. */
export const turnAwaySocket = (socket: Socket): void => answerOnce(socket, '503 Service Unavailable', BODY, HEADERS);
