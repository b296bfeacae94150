import { randomBytes } from 'node:crypto';
import {
  Agent,
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Log } from '../chat/ports/log.ts';
import { answerOnce } from './answer-once.ts';
import { HAS_SID } from './turn-away.ts';

/** Stands for any worker that takes new sessions. */
export const ANY_WORKER = 'any';

/** Hands a connection to another worker, by name; what was read of it goes along, to be put back in front. */
export type HandOver = (worker: string, head: Buffer, socket: Socket) => void;

export interface SessionRouterOptions {
  /** This worker's name: the first part of the ids of its sessions. */
  readonly worker: string;
  /** The Unix socket on which a worker takes requests of its sessions that landed elsewhere. */
  readonly socketPath: (worker: string) => string;
  readonly handOver: HandOver;
  /** Whether another worker is to take who begins a session here: this one is about to go. */
  readonly sendsAway: () => boolean;
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
 * balancer let them land. Of a poll that waits and of an upgrade the connection itself is handed over, so that nobody
 * stands in between afterwards and a third worker's death cuts nobody. What a client posts is passed on over that worker's
 * Unix socket: it is answered at once, and would go through the main process with its whole body otherwise.
 */
export class SessionRouter {
  readonly #options: SessionRouterOptions;
  readonly #agents = new Map<string, Agent>();
  #inner: Server | undefined;
  readonly #passedOn = new Set<ServerResponse>();
  /** Their clients send requests ahead of answers. */
  readonly #pipelined = new WeakSet<Socket>();

  constructor(options: SessionRouterOptions) {
    this.#options = options;
  }

  /** Puts itself in front of what `server` does with requests and upgrades so far. */
  async attach(server: Server): Promise<void> {
    const onRequest = server.listeners('request');
    const onUpgrade = server.listeners('upgrade');
    server.removeAllListeners('request').removeAllListeners('upgrade');
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      if (response.socket === null) this.#pipelined.add(request.socket);
      const other = this.#otherWorker(request);
      if (other === undefined) for (const listener of onRequest) listener.call(server, request, response);
      else if (isBareGet(request)) this.#moveRequest(other, request, response);
      else this.#proxy(other, request, response);
    });
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      const other = this.#otherWorker(request);
      if (other === undefined) for (const listener of onUpgrade) listener.call(server, request, socket, head);
      else this.#move(other, request, socket, head);
    });
    const inner = createServer({ keepAliveTimeout: INNER_KEEP_ALIVE_MS }, (request, response) => {
      // Never passed on again: what is not ours by now is nobody's.
      if (this.#otherWorker(request) === undefined) for (const it of onRequest) it.call(server, request, response);
      else refuse(response);
    });
    this.#inner = inner;
    await new Promise<void>((resolve, reject) => {
      inner.once('error', reject);
      // `exclusive`: the cluster module would share the socket among the workers.
      inner.listen({ path: this.#options.socketPath(this.#options.worker), exclusive: true }, resolve);
    });
  }

  /** Waits for the answers to what was posted for other workers' sessions. */
  async drain(): Promise<void> {
    await Promise.all([...this.#passedOn].map((it) => new Promise((resolve) => it.once('close', resolve))));
  }

  close(): void {
    this.#inner?.close();
    this.#inner?.closeAllConnections();
    for (const agent of this.#agents.values()) agent.destroy();
  }

  /** Who is to have this request, if not this worker. */
  #otherWorker(request: IncomingMessage): string | undefined {
    const { url = '' } = request;
    if (!url.startsWith('/socket.io/')) return undefined;
    if (!HAS_SID.test(url)) return isBareGet(request) && this.#options.sendsAway() ? ANY_WORKER : undefined;
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
      this.#options.log.debug('what was posted for another worker broke off', { owner, code: cause.code });
    });
    this.#passedOn.add(response);
    response.on('close', () => {
      this.#passedOn.delete(response);
      if (!response.writableFinished) passed.destroy();
    });
    request.pipe(passed);
  }

  /** Moves the request with its connection, unless another request of the same connection is under way, too. */
  #moveRequest(worker: string, request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    // What came in the same read is known by the next tick.
    process.nextTick(() => {
      if (this.#pipelined.has(socket)) this.#proxy(worker, request, response);
      // Only once it is read to its end is the connection free to go.
      else request.once('end', () => this.#move(worker, request, socket)).resume();
    });
  }

  #move(worker: string, request: IncomingMessage, socket: Duplex, head: Buffer = Buffer.alloc(0)): void {
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
    this.#options.handOver(worker, read, socket);
  }
}

/** A connection that another worker handed over: what it had read is read again, and the rest follows. */
export function takeOver(server: Server, head: Buffer, socket: Socket): void {
  socket.unshift(head);
  server.emit('connection', socket);
}

/** Ends a connection whose worker is gone; its client starts anew. */
export function refuseSession(socket: Socket): void {
  answerOnce(socket, '400 Bad Request', UNKNOWN_SESSION, { 'Content-Type': 'application/json' });
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

const isBareGet = ({ method, headers }: IncomingMessage): boolean =>
  method === 'GET' && headers['content-length'] === undefined && headers['transfer-encoding'] === undefined;
