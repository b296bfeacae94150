import type { ChildProcess } from 'node:child_process';
import type { Channel } from '../platform/link.ts';

type Sender = Pick<ChildProcess, 'send' | 'connected' | 'on'>;

/** The IPC of a forked process, from either side. A send to a process that is gone is told, never thrown. */
export function processChannel(peer: Sender | NodeJS.Process): Channel {
  const target = peer as Sender;
  return {
    send(message, sent) {
      if (!target.connected || !target.send) return sent(true);
      // The callback also keeps a broken pipe from becoming an 'error' event, which would end the primary.
      target.send(message as object, undefined, undefined, (error) => sent(error !== null));
    },
    onMessage: (listener) => void target.on('message', listener),
    onClose: (listener) => void target.on('disconnect', listener),
  };
}
