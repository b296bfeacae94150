import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A source of quotes in CSV: answers at once, or holds its answers back. */
export class QuoteServer {
  held = false;
  /** Codes it was asked for, in order. */
  readonly asked: string[] = [];
  readonly #waiting = new Set<ServerResponse>();
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
    server.on('request', (request, response) => {
      const code = new URL(request.url ?? '/', 'http://localhost').searchParams.get('s') ?? '';
      this.asked.push(code);
      response.setHeader('content-type', 'text/csv');
      if (this.held) {
        this.#waiting.add(response);
        response.once('close', () => this.#waiting.delete(response));
      } else response.end(csvOf(code));
    });
  }

  /** For STOCK_URL. */
  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}/?s={code}`;
  }

  /** Questions whose askers still wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

const csvOf = (code: string): string =>
  `Symbol,Date,Time,Open,High,Low,Close,Volume\r\n${code.toUpperCase()},2026-11-20,22:00:04,1,2,0.5,93.42,100\r\n`;

export async function startQuoteServer(): Promise<QuoteServer> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return new QuoteServer(server);
}
