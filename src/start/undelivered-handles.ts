import type { ChildProcess } from 'node:child_process';
import type { EventEmitter } from 'node:events';
import { Socket } from 'node:net';

/** What a worker said before its end may still be on its way. */
const LAST_WORDS_MS = 100;

interface Closable {
  close(): void;
}

const isClosable = (it: unknown): it is Closable =>
  typeof it === 'object' && it !== null && 'close' in it && typeof it.close === 'function';

const field = (message: unknown, name: string): unknown =>
  typeof message === 'object' && message !== null ? Reflect.get(message, name) : undefined;

/**
 * A connection is on its way to a worker until the worker says that it has it. Of a worker that dies before, Node
 * forgets it: it would stay open in the main process, and its client wait for nothing until its own time-out. Here it is
 * closed, so that the client connects again. Not given to another worker: the dead one may have read of it.
 *
 * There is no public way to it: this reads Node's own messages, and does nothing where they look different. A channel
 * sends one handle at a time and hears that it has come; of a new connection the cluster module hears once more that the
 * worker has taken it.
 */
export function closeUndelivered(peer: ChildProcess): void {
  const sent: Closable[] = [];
  const untaken = new Map<unknown, Closable>();
  const send: unknown = Reflect.get(peer, 'send');
  if (typeof send !== 'function') return;
  Reflect.set(peer, 'send', (...args: unknown[]): unknown => {
    const [message, it] = args;
    const handle: unknown = it instanceof Socket ? Reflect.get(it, '_handle') : it;
    if (isClosable(handle)) {
      sent.push(handle);
      if (field(message, 'act') === 'newconn') untaken.set(field(message, 'seq'), handle);
    }
    return Reflect.apply(send, peer, args);
  });
  closeRefused(peer, () => sent.shift());
  peer.on('internalMessage', (message: unknown) => {
    untaken.delete(field(message, 'ack'));
    if (field(message, 'cmd') === 'NODE_HANDLE_ACK') sent.shift();
  });
  // 'disconnect' never comes while one of them is on its way.
  peer.once('exit', () => {
    const close = () => {
      for (const handle of [...sent, ...untaken.values()]) handle.close();
    };
    setTimeout(close, LAST_WORDS_MS).unref();
  });
}

/**
 * A connection that is handed to a process without a free descriptor does not come, and is closed here. Node would send it
 * once more, wrapped twice, and end this process by an assertion when it is said to have come twice (20 to 26).
 */
export function closeRefused(peer: EventEmitter, onRefused = (): void => {}): void {
  // Before Node's own listener.
  peer.prependListener('internalMessage', (message: unknown) => {
    if (field(message, 'cmd') !== 'NODE_HANDLE_NACK') return;
    const pending: unknown = Reflect.get(peer, '_pendingMessage');
    if (field(field(pending, 'message'), 'type') !== 'net.Socket') return;
    const handle = field(pending, 'handle');
    if (isClosable(handle)) handle.close();
    Reflect.set(peer, '_pendingMessage', null);
    onRefused();
  });
}
