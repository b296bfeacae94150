import { createServer } from 'node:net';

/** Somebody else listens there, or nobody may. The message says where. */
export class AddressNotFree extends Error {
  override readonly name = 'AddressNotFree';
}

/**
 * Listens for a moment. That chooses PORT 0 once for all workers, those that come later included, and makes an address
 * that cannot be had a failure of the start; left to the workers, each would die of it and be replaced for ever.
 */
export function choosePort(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (cause) => {
      reject(new AddressNotFree(`cannot listen on ${host}, port ${port}: ${cause.message}`, { cause }));
    });
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address();
      const chosen = address !== null && typeof address === 'object' ? address.port : port;
      server.close(() => resolve(chosen));
    });
  });
}
