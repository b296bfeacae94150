import { IncomingMessage } from 'node:http';
import type { Connection } from './socket-types.ts';

/** What a client is posting may still arrive for this long. */
const POST_MS = 1000;

/** What waits to be written may still go out for this long. */
const FLUSH_MS = 1000;
/** A client that does not answer the WebSocket's close frame is let go after this. */
const CLOSE_MS = 1000;

/**
 * Ends a connection below Socket.IO, whose own `disconnect` tells clients not to come back. What was written before goes
 * out first, but nobody can hold a connection open by not reading.
 */
export function closeConnection(conn: Connection): void {
  // Engine.IO would break off what a polling client is posting just now, and there is no public way to see it.
  const posted: unknown = Reflect.get(conn.transport, 'dataReq');
  if (!(posted instanceof IncomingMessage)) close(conn);
  else {
    const timer = setTimeout(() => close(conn), POST_MS).unref();
    posted.once('close', () => {
      clearTimeout(timer);
      close(conn);
    });
  }
}

function close(conn: Connection): void {
  conn.close();
  if (conn.readyState !== 'closing') return;
  const timer = setTimeout(() => conn.close(true), FLUSH_MS).unref();
  conn.once('close', () => clearTimeout(timer));
}

/** However a connection ends: its descriptor and buffers go soon, even when the other side does not take part. */
export function endSoonAfterClose(conn: Connection): void {
  conn.once('close', () => {
    const webSocket: unknown = Reflect.get(conn.transport, 'socket');
    if (typeof webSocket !== 'object' || webSocket === null) return;
    const terminate: unknown = Reflect.get(webSocket, 'terminate');
    if (typeof terminate === 'function') setTimeout(() => terminate.call(webSocket), CLOSE_MS).unref();
  });
}
