import type { PushOf, ServerEvent } from '../wire/socket.ts';
import type { ChatNamespace, ChatSocket } from './socket-types.ts';
import { wsTextFrame } from './ws-text-frame.ts';

/** One event, encoded once for all who get it. */
export interface Encoded {
  /** For those who still poll. */
  readonly emit: (socket: ChatSocket) => void;
  /** As {@link frameOf} makes it. */
  readonly frame: Buffer;
}

/** A packet of Socket.IO's protocol 5 inside a message packet of Engine.IO's protocol 4. */
export const frameOf = <E extends ServerEvent>({ name }: ChatNamespace, event: E, push: PushOf<E>): Buffer =>
  wsTextFrame(`42${name},${JSON.stringify([event, push])}`);

export const joinFrames = (events: readonly Encoded[]): Buffer => {
  const [only] = events;
  return events.length === 1 && only ? only.frame : Buffer.concat(events.map((it) => it.frame));
};

/**
 * Hands a connection several events as one buffer, `joined` out of their frames, so that they are one system call.
 * Engine.IO takes such a buffer beside a packet (`wsPreEncodedFrame`, as Socket.IO's own adapter uses it) and sends only
 * the first of an array: hence exactly one. A connection that still polls gets ordinary packets; one that has upgraded
 * never goes back, so what is written stays right. Both ways end in the same queue of the connection: order holds across
 * them.
 *
 * The path rests on parts of engine.io and ws that are not public: a test fails when they change.
 */
export function handFrames(socket: ChatSocket, events: readonly Encoded[], joined: Buffer): void {
  // The text is never sent: the frame goes in its place.
  const options = { compress: false, wsPreEncodedFrame: [joined] };
  if (socket.conn.transport.name === 'websocket') socket.conn.write('', options);
  else for (const { emit } of events) emit(socket);
}
