import type { Socket } from 'node:net';

/** Answers on a connection that no server answers for, and ends it. */
export function answerOnce(
  socket: Socket,
  status: string,
  body: string,
  headers: Readonly<Record<string, string | number>>,
): void {
  const all = { ...headers, 'Content-Length': Buffer.byteLength(body), Connection: 'close' };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.on('error', () => socket.destroy());
  // Nobody reads any more here, so that the client's end would never be noticed.
  socket.end(`HTTP/1.1 ${status}\r\n${lines.join('')}\r\n${body}`, () => socket.destroy());
}
