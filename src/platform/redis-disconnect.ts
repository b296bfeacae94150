import type { Redis } from 'ioredis';

/** Ends the connection for good, after what was written; resolves when nothing of it is open any more. */
export function redisDisconnect(client: Redis): Promise<void> {
  const isOpen = client.status === 'connecting' || client.status === 'connect' || client.status === 'ready';
  const ended = isOpen ? new Promise<void>((resolve) => client.once('end', () => resolve())) : Promise.resolve();
  client.disconnect();
  return ended;
}
