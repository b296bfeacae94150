import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Held {
  readonly user: string;
  readonly name: string;
  readonly type?: 1 | 2 | 3;
  readonly roles?: readonly string[];
  readonly expiresAt?: string;
}

/** A little account service: knows the tokens it was told of, and can be slow or down. */
export class AccountServer {
  /** `slow` never answers, `down` answers 503, `garbage` no JSON. */
  mode: 'ok' | 'slow' | 'down' | 'garbage' = 'ok';
  /** Every question, by token. */
  readonly asked = new Map<string, number>();
  readonly #accounts = new Map<string, Held>();
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
    server.on('request', (request, response) => {
      const token = request.headers.authorization?.replace(/^Bearer /, '') ?? '';
      this.asked.set(token, (this.asked.get(token) ?? 0) + 1);
      if (this.mode === 'slow') return;
      const account = this.#accounts.get(token);
      if (this.mode === 'down') response.writeHead(503).end();
      else if (this.mode === 'garbage') response.end('<html>');
      else if (account === undefined) response.writeHead(401).end(JSON.stringify({ error: 'unknown token' }));
      else response.end(JSON.stringify({ type: 1, roles: ['user'], ...account }));
    });
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  put(token: string, account: Held): void {
    this.#accounts.set(token, account);
  }

  revoke(token: string): void {
    this.#accounts.delete(token);
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

export async function startAccountServer(): Promise<AccountServer> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return new AccountServer(server);
}
