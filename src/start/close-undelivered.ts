import type { ChildProcess } from 'node:child_process';
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
 * There is no public way to it: this reads Node's own messages, and does nothing where they look different. A new
 * connection is said to have come by the cluster module, with its number; one that was handed over by the channel itself,
 * which sends one handle at a time.
 */
export function closeUndelivered(peer: ChildProcess): void {
  const undelivered = new Map<unknown, Closable>();
  let sent = 0;
  let come = 0;
  const send: unknown = Reflect.get(peer, 'send');
  if (typeof send !== 'function') return;
  Reflect.set(peer, 'send', (...args: unknown[]): unknown => {
    const [message, handle] = args;
    const open: unknown = handle instanceof Socket ? Reflect.get(handle, '_handle') : handle;
    if (isClosable(open)) {
      sent += 1;
      undelivered.set(field(message, 'act') === 'newconn' ? field(message, 'seq') : `handle ${sent}`, open);
    }
    return Reflect.apply(send, peer, args);
  });
  peer.on('internalMessage', (message: unknown) => {
    undelivered.delete(field(message, 'ack'));
    if (field(message, 'cmd') !== 'NODE_HANDLE_ACK') return;
    come += 1;
    undelivered.delete(`handle ${come}`);
  });
  // 'disconnect' never comes while one of them is on its way.
  peer.once('exit', () => {
    const close = () => {
      for (const handle of undelivered.values()) handle.close();
      undelivered.clear();
    };
    setTimeout(close, LAST_WORDS_MS).unref();
  });
}
