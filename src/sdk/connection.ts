import { io, type Socket } from 'socket.io-client';
import type {
  AckOf,
  ClientEvent,
  DoneAckOf,
  FailedAck,
  NAMESPACE,
  PayloadOf,
  PushOf,
  ServerEvent,
} from '../wire/socket.ts';
import { afterMs, type Backoff, backoffMs, reconnectMs } from './backoff.ts';
import { Listeners } from './listeners.ts';
import { clientClosed, notConnected, ParleyError, refused, tokenRefused, unanswered } from './parley-error.ts';

/** The value itself would bring the schemas along, which clients do not need. */
const namespace: typeof NAMESPACE = '/v1/channel';

export type Me = PushOf<'authentication'>;
export type TokenSource = string | (() => string | Promise<string>);

/**
 * `connecting` → `online` → `offline` (the next attempt is timed) → `connecting` …
 * `expired`: the token ran out or was refused and no other can be had; `authenticate` leads on from there.
 * `closed`: by `close()`, for good.
 */
export type State = 'connecting' | 'online' | 'offline' | 'expired' | 'closed';

export interface StateChange {
  readonly state: State;
  /** Of `offline`: when the next attempt begins. */
  readonly retryInMs?: number;
  /** What led here. */
  readonly error?: ParleyError;
}

export interface ConnectionOptions {
  readonly token: TokenSource;
  /** Waits between attempts; 500 ms doubling up to 5 s. */
  readonly reconnect?: Partial<Backoff>;
  /** One attempt to connect, the token's check included; 20 s. */
  readonly connectTimeoutMs?: number;
  /** Path of the Socket.IO endpoint on the server; `/socket.io`. */
  readonly path?: string;
  /** In order of preference; WebSocket first, polling where that fails. */
  readonly transports?: readonly ('websocket' | 'polling')[];
}

export interface RequestOptions {
  /** How long one attempt waits for its ack. */
  readonly timeoutMs: number;
  /** When the call is given up, milliseconds since 1970. */
  readonly deadline: number;
  /** Whether the call may be made again when no answer came: only for what may happen twice. */
  readonly repeat: boolean;
}

interface Happenings {
  state: StateChange;
  /** The transport is up and nothing was pushed on it yet. */
  opened: undefined;
  drain: PushOf<'drain'>;
}

/** Codes of a refused token; any other refusal of a connection may be gone the next time. */
const isFinal = (error: number): boolean => error >= 1000 && error <= 1002;

/** How long a connection must have held for the waits to begin at the first one again. */
const SETTLED_MS = 5000;

/**
 * One connection that comes back by itself. All of it is one state machine with one timer, so Socket.IO's own
 * reconnection is off: it does not come back after the server ended a connection or refused one, which is what a
 * restart, an overload and an account service that is away look like.
 */
export class Connection {
  readonly events = new Listeners<Happenings>();
  readonly #socket: Socket;
  readonly #source: ConnectionOptions;
  readonly #backoff: Backoff;
  readonly #inFlight = new Set<(error: ParleyError) => void>();
  readonly #sleepers = new Set<() => void>();
  #state: State = 'connecting';
  #why: ParleyError | undefined;
  #me: Me | undefined;
  #token: string | undefined;
  #givenToken: string | undefined;
  #refusedToken: string | undefined;
  #attempt = 0;
  #onlineSince = 0;
  #notBefore = 0;
  #generation = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(url: string, options: ConnectionOptions) {
    this.#source = options;
    this.#backoff = { minMs: options.reconnect?.minMs ?? 500, maxMs: options.reconnect?.maxMs ?? 5000 };
    this.#socket = io(url.replace(/\/+$/, '') + namespace, {
      autoConnect: false,
      forceNew: true,
      reconnection: false,
      transports: [...(options.transports ?? ['websocket', 'polling'])],
      tryAllTransports: true,
      ...(options.path === undefined ? {} : { path: options.path }),
    });
    this.#socket.on('connect', () => this.events.tell('opened', undefined));
    this.#socket.on('authentication', (push: Me) => this.#onAuthentication(push));
    this.#socket.on('drain', (push: PushOf<'drain'>) => this.#onDrain(push));
    this.#socket.on('connect_error', (error: Error) => this.#onConnectError(error));
    this.#socket.on('disconnect', (reason) => this.#lost(unanswered(`the connection was lost (${reason})`)));
    // Whoever made the client hears of every state from the first on.
    queueMicrotask(() => void this.#connect());
  }

  get state(): State {
    return this.#state;
  }

  get me(): Me | undefined {
    return this.#me;
  }

  onPush<E extends ServerEvent>(event: E, listener: (push: PushOf<E>) => void): void {
    this.#socket.on<string>(event, listener);
  }

  /** Resolves when online; rejects when the token is refused, when closed, or at `deadline`. */
  ready(deadline?: number): Promise<Me> {
    return this.#until(deadline, true);
  }

  /** One attempt; rejects with {@link ParleyError} when refused, and as `unknown` when no answer came. */
  call<E extends ClientEvent>(event: E, payload: PayloadOf<E>, timeoutMs: number): Promise<DoneAckOf<E>> {
    if (!this.#socket.connected) return Promise.reject(notConnected('there is no connection at the moment'));
    return new Promise((resolve, reject) => {
      const fail = (error: ParleyError): void => {
        clearTimeout(timer);
        this.#inFlight.delete(fail);
        reject(error);
      };
      const timer = setTimeout(() => fail(unanswered(`no answer to ${event} within ${timeoutMs} ms`)), timeoutMs);
      this.#inFlight.add(fail);
      this.#socket.emit(event, payload, (answer: AckOf<E>) => {
        if (!this.#inFlight.delete(fail)) return;
        clearTimeout(timer);
        if (isFailed(answer)) reject(refused(answer));
        else resolve(answer);
      });
    });
  }

  /** {@link Connection.call}, waiting for the connection and repeated while that may help, until the deadline. */
  async request<E extends ClientEvent>(
    event: E,
    payload: PayloadOf<E>,
    { timeoutMs, deadline, repeat }: RequestOptions,
  ): Promise<DoneAckOf<E>> {
    let last: ParleyError | undefined;
    for (let attempt = 0; ; attempt += 1) {
      await this.#until(deadline, false).catch((error) => {
        throw this.#state === 'closed' ? error : (last ?? error);
      });
      try {
        return await this.call(event, payload, Math.max(1, Math.min(timeoutMs, deadline - Date.now())));
      } catch (error) {
        if (!(error instanceof ParleyError) || !error.retry || (error.unknown && !repeat)) throw error;
        last = error;
        const waitMs = this.#repeatAfterMs(error, attempt);
        if (Date.now() + waitMs >= deadline) throw error;
        await this.#sleep(waitMs);
      }
    }
  }

  /** A volatile event: dropped when there is no connection. */
  say<E extends ClientEvent>(event: E, payload: PayloadOf<E>): void {
    if (this.#state === 'online') this.#socket.volatile.emit(event, payload, () => {});
  }

  /** Goes on with another token of the same user: in place while connected, otherwise by connecting with it. */
  async authenticate(token: string): Promise<Me> {
    if (this.#state === 'closed') throw clientClosed();
    this.#givenToken = token;
    this.#refusedToken = undefined;
    if (this.#me !== undefined && (await this.#renewInPlace(token))) {
      this.#becomeOnline(this.#me);
      return this.#me;
    }
    this.#attempt = 0;
    void this.#connect();
    return await this.ready();
  }

  /** False when there is no connection to do it on; rejects when the token is refused. */
  async #renewInPlace(token: string): Promise<boolean> {
    if (!this.#socket.connected) return false;
    try {
      await this.call('authenticate', { token }, this.#connectTimeoutMs);
      this.#token = token;
      return true;
    } catch (error) {
      if (error instanceof ParleyError && error.unknown) return false;
      this.#givenToken = undefined;
      throw error;
    }
  }

  /** Does not wait for the timer of the next attempt. */
  retryNow(): void {
    if (this.#state === 'offline') void this.#connect();
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#enter({ state: 'closed', error: clientClosed() });
    this.#drop(clientClosed());
    for (const wake of [...this.#sleepers]) wake();
  }

  get #connectTimeoutMs(): number {
    return this.#source.connectTimeoutMs ?? 20_000;
  }

  /** A lost connection has waited enough by the time there is another; everything else is spread out. */
  #repeatAfterMs(error: ParleyError, attempt: number): number {
    if (error.retryAfterMs !== undefined) return afterMs(error.retryAfterMs);
    return this.#socket.connected ? backoffMs(attempt, this.#backoff) : 0;
  }

  async #connect(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#generation += 1;
    const generation = this.#generation;
    clearTimeout(this.#timer);
    this.#enter({ state: 'connecting' });
    let token: string;
    try {
      token = await this.#currentToken();
    } catch (cause) {
      const error = cause instanceof ParleyError ? cause : tokenAway(cause);
      if (generation === this.#generation) this.#lost(error);
      return;
    }
    if (generation !== this.#generation || this.#state !== 'connecting') return;
    if (token === this.#refusedToken) {
      this.#expire(this.#why ?? tokenRefused('the token was refused'));
      return;
    }
    this.#token = token;
    this.#socket.auth = { token, batch: true };
    this.#timer = setTimeout(() => this.#lost(unanswered('connecting took too long')), this.#connectTimeoutMs);
    this.#socket.connect();
  }

  async #currentToken(): Promise<string> {
    if (this.#givenToken !== undefined) return this.#givenToken;
    const { token } = this.#source;
    return typeof token === 'string' ? token : await token();
  }

  #onAuthentication(push: Me): void {
    if (push.expired === true) {
      void this.#renew();
      return;
    }
    this.#me = push;
    this.#becomeOnline(push);
  }

  #becomeOnline(me: Me): void {
    clearTimeout(this.#timer);
    this.#onlineSince = Date.now();
    this.#notBefore = 0;
    this.#why = undefined;
    this.#me = me;
    this.#enter({ state: 'online' });
  }

  /** The server ends the connection 5 s after it told that the token ran out. */
  async #renew(): Promise<void> {
    const ranOut = tokenRefused('the token has run out; sign in again');
    this.#givenToken = undefined;
    const generation = this.#generation;
    try {
      const fresh = await this.#currentToken();
      if (fresh === this.#token) throw ranOut;
      await this.#renewInPlace(fresh);
    } catch (error) {
      if (generation !== this.#generation || this.#state !== 'online') return;
      // A token that could not be had in time is asked for again when the server ends the connection.
      if (typeof this.#source.token === 'string' || error === ranOut) this.#expire(ranOut);
    }
  }

  #onConnectError(error: Error & { data?: Partial<FailedAck> }): void {
    const { data } = error;
    if (typeof data?.error !== 'number') {
      this.#lost(unanswered(`no connection (${error.message})`));
      return;
    }
    const problem = new ParleyError({
      error: data.error,
      code: data.code ?? error.message,
      detail: data.detail ?? error.message,
      retry: !isFinal(data.error),
      retryAfterMs: data.retryAfterMs,
    });
    if (isFinal(data.error)) {
      this.#refusedToken = this.#token;
      this.#givenToken = undefined;
      if (typeof this.#source.token === 'string') {
        this.#expire(problem);
        return;
      }
    } else {
      this.#notBefore = Date.now() + afterMs(data.retryAfterMs ?? 0);
    }
    this.#lost(problem);
  }

  /** Stays for what is under way, and moves to another worker when the server says that one is to be found. */
  #onDrain(push: PushOf<'drain'>): void {
    const waitMs = afterMs(push.retryAfterMs);
    this.#notBefore = Date.now() + waitMs;
    this.events.tell('drain', push);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lost(unanswered('the server is shutting down')), waitMs);
  }

  #lost(error: ParleyError): void {
    if (this.#state === 'expired') this.#drop(error);
    if (this.#state !== 'online' && this.#state !== 'connecting') return;
    const held = this.#state === 'online' && Date.now() - this.#onlineSince > SETTLED_MS;
    if (held) this.#attempt = 0;
    const waitMs = reconnectMs(this.#attempt, this.#backoff, this.#notBefore - Date.now());
    this.#attempt += 1;
    this.#why = error;
    this.#generation += 1;
    this.#enter({ state: 'offline', retryInMs: waitMs, error });
    this.#drop(error);
    this.#timer = setTimeout(() => void this.#connect(), waitMs);
  }

  #expire(error: ParleyError): void {
    clearTimeout(this.#timer);
    this.#why = error;
    this.#enter({ state: 'expired', error });
  }

  /** Ends the transport and whatever waits for an answer on it. */
  #drop(error: ParleyError): void {
    clearTimeout(this.#timer);
    this.#socket.disconnect();
    // What Socket.IO would send by itself on the next connection is sent again by whoever asked for it.
    this.#socket.sendBuffer.length = 0;
    for (const fail of [...this.#inFlight]) fail(error.unknown ? error : unanswered(error.detail));
  }

  #enter(change: StateChange): void {
    this.#state = change.state;
    this.events.tell('state', change);
  }

  async #until(deadline: number | undefined, orExpired: boolean): Promise<Me> {
    return await new Promise((resolve, reject) => {
      let off = (): void => {};
      let timer: ReturnType<typeof setTimeout> | undefined;
      const settle = (then: () => void): void => {
        off();
        clearTimeout(timer);
        then();
      };
      const look = (): void => {
        if (this.#state === 'online' && this.#me !== undefined) {
          const me = this.#me;
          settle(() => resolve(me));
        } else if (this.#state === 'closed') {
          settle(() => reject(clientClosed()));
        } else if (orExpired && this.#state === 'expired') {
          settle(() => reject(this.#why ?? tokenRefused('the token was refused')));
        }
      };
      off = this.events.on('state', look);
      if (deadline !== undefined) {
        const giveUp = (): void => settle(() => reject(notConnected('there was no connection in time')));
        timer = setTimeout(giveUp, Math.max(0, deadline - Date.now()));
      }
      look();
    });
  }

  async #sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#sleepers.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#sleepers.add(wake);
    });
  }
}

const isFailed = (answer: { error: number }): answer is FailedAck => answer.error !== 0;

const tokenAway = (cause: unknown): ParleyError =>
  new ParleyError({ error: 1003, code: 'account_service', detail: 'no token could be had', retry: true }, { cause });
