import { randomBytes } from 'node:crypto';
import {
  Agent,
  type ClientRequest,
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Log } from '../chat/ports/log.ts';

/** Hands a connection to another worker; what was read of it goes along, to be put back in front. */
export type HandOver = (owner: string, head: Buffer, socket: Socket) => void;

export interface SessionRouterOptions {
  /** This worker's name: the first part of the ids of its sessions. */
  readonly worker: string;
  /** The Unix socket on which a worker takes requests of its sessions that landed elsewhere. */
  readonly socketPath: (worker: string) => string;
  readonly handOver: HandOver;
  readonly log: Log;
}

/** The session's worker: see {@link sessionId}. */
const OWNER = /[?&]sid=(\d{1,10})\./;
const PROXY_TIMEOUT_MS = 60_000;
/** The side that asks closes idle connections, long before the other: none is closed just as it is used again. */
const INNER_KEEP_ALIVE_MS = 2 * PROXY_TIMEOUT_MS;
/** What Engine.IO says of a session it does not know: every client starts a new one then. */
const UNKNOWN_SESSION = JSON.stringify({ code: 1, message: 'Session ID unknown' });

/** A new session's id; it begins with the name of the worker that holds the session. */
export const sessionId = (worker: string): string => `${worker}.${randomBytes(15).toString('base64url')}`;

/**
 * Long-polling requests and upgrades belong to the worker that holds their session, wherever the operating system or a
 * balancer let them land. Polls are passed on over that worker's Unix socket; an upgrade's connection itself is handed
 * over, so that nobody stands in the stream afterwards and a third worker's death cuts nobody.
 */
export class SessionRouter {
  readonly #options: SessionRouterOptions;
  readonly #agents = new Map<string, Agent>();
  #inner: Server | undefined;
  readonly #passedOn = new Map<ServerResponse, ClientRequest>();

  constructor(options: SessionRouterOptions) {
    this.#options = options;
  }

  /** Puts itself in front of what `server` does with requests and upgrades so far. */
  async attach(server: Server): Promise<void> {
    const onRequest = server.listeners('request');
    const onUpgrade = server.listeners('upgrade');
    server.removeAllListeners('request').removeAllListeners('upgrade');
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const owner = this.#foreignOwner(request);
      if (owner === undefined) for (const listener of onRequest) listener.call(server, request, response);
      else this.#proxy(owner, request, response);
    });
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      const owner = this.#foreignOwner(request);
      if (owner === undefined) for (const listener of onUpgrade) listener.call(server, request, socket, head);
      else this.#passUpgrade(owner, request, socket, head);
    });
    const inner = createServer({ keepAliveTimeout: INNER_KEEP_ALIVE_MS }, (request, response) => {
      // Never passed on again: what is not ours by now is nobody's.
      if (this.#foreignOwner(request) === undefined) for (const it of onRequest) it.call(server, request, response);
      else refuse(response);
    });
    this.#inner = inner;
    await new Promise<void>((resolve, reject) => {
      inner.once('error', reject);
      // `exclusive`: the cluster module would share the socket among the workers.
      inner.listen({ path: this.#options.socketPath(this.#options.worker), exclusive: true }, resolve);
    });
  }

  /**
   * Ends what is under way for other workers' sessions, so that no answer is lost unnoticed: browsers and proxies ask
   * again by themselves when a kept connection breaks, and the second poll would hide what the first had brought. So an
   * answer that has begun is brought to its end, and a poll that still waits is refused; its client starts anew.
   *
   * With `all` workers ending, a poll that waits is where its client hears that it is to go: it is not refused.
   */
  async drain(all: boolean): Promise<void> {
    await Promise.all(
      [...this.#passedOn].map(([response, passed]) => {
        const closed = new Promise((resolve) => response.once('close', resolve));
        if (!response.headersSent && !all) passed.destroy();
        return closed;
      }),
    );
  }

  close(): void {
    this.#inner?.close();
    this.#inner?.closeAllConnections();
    for (const agent of this.#agents.values()) agent.destroy();
  }

  #foreignOwner({ url = '' }: IncomingMessage): string | undefined {
    if (!url.startsWith('/socket.io/')) return undefined;
    const owner = OWNER.exec(url)?.[1];
    return owner === this.#options.worker ? undefined : owner;
  }

  #agent(owner: string): Agent {
    const agent = this.#agents.get(owner) ?? new Agent({ keepAlive: true, timeout: PROXY_TIMEOUT_MS });
    this.#agents.set(owner, agent);
    return agent;
  }

  #proxy(owner: string, request: IncomingMessage, response: ServerResponse): void {
    const { method, url } = request;
    // Never `Connection: close`: over a Unix socket Node's last, empty write fails when the owner answers and closes first.
    const { connection: _hop, 'keep-alive': _hopToo, ...headers } = request.headers;
    const passed = httpRequest({
      socketPath: this.#options.socketPath(owner),
      method,
      path: url,
      headers,
      agent: this.#agent(owner),
      timeout: PROXY_TIMEOUT_MS,
    });
    passed.on('response', (answer) => {
      const { connection: _connection, 'keep-alive': _keepAlive, ...passedOn } = answer.headers;
      response.writeHead(answer.statusCode ?? 502, passedOn);
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    });
    passed.on('timeout', () => passed.destroy());
    passed.on('error', (cause: NodeJS.ErrnoException) => {
      if (response.headersSent) response.destroy();
      else refuse(response);
      if (cause.code === 'ENOENT' || cause.code === 'ECONNREFUSED') this.#agents.delete(owner); // it is gone for good
      this.#options.log.debug('a poll of another worker broke off', { owner, code: cause.code });
    });
    this.#passedOn.set(response, passed);
    response.on('close', () => {
      this.#passedOn.delete(response);
      if (!response.writableFinished) passed.destroy();
    });
    request.pipe(passed);
  }

  #passUpgrade(owner: string, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (!(socket instanceof Socket)) {
      socket.destroy();
      return;
    }
    stopReading(socket);
    const lines = [`${request.method} ${request.url} HTTP/${request.httpVersion}`];
    for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) {
      lines.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}`);
    }
    const read = Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]);
    this.#options.handOver(owner, read, socket);
  }
}

/** A connection that another worker handed over: what it had read is read again, and the rest follows. */
export function takeOver(server: Server, head: Buffer, socket: Socket): void {
  socket.unshift(head);
  server.emit('connection', socket);
}

/**
 * Ends the connection of an upgrade whose worker is gone; the client goes on polling and is told there to start anew.
 */
export function refuseUpgrade(socket: Socket): void {
  socket.on('error', () => {});
  socket.end(
    `HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: ${UNKNOWN_SESSION.length}\r\nConnection: close\r\n\r\n${UNKNOWN_SESSION}`,
  );
}

/**
 * Stops reading at the handle: what Node reads after this and before the hand-over is complete would be thrown away.
 * There is no public way to it (`pause()` only stops the stream above).
 */
export function stopReading(socket: Socket): void {
  const handle: unknown = Reflect.get(socket, '_handle');
  if (typeof handle === 'object' && handle !== null && 'readStop' in handle) {
    const { readStop } = handle;
    if (typeof readStop === 'function') readStop.call(handle);
  }
}

function refuse(response: ServerResponse): void {
  response.writeHead(400, { 'Content-Type': 'application/json' }).end(UNKNOWN_SESSION);
}
