/** One end of a message channel between two processes; `send` never throws and never keeps the process alive. */
export interface Channel {
  send(message: unknown, sent: (failed: boolean) => void): void;
  onMessage(listener: (message: unknown) => void): void;
  onClose(listener: () => void): void;
}

/** How errors cross: out of what a handler threw, and back into what a caller catches. */
export interface ErrorCodec {
  pack(error: unknown): unknown;
  unpack(packed: unknown): Error;
}

export interface LinkOptions {
  readonly errors: ErrorCodec;
  /** A call that is not answered by then rejects with `away`. Milliseconds. */
  readonly deadlineMs: number;
  /** What a call rejects with when the other end is gone or silent. */
  readonly away: (method: string) => Error;
}

type Item =
  | readonly ['call', id: number, method: string, payload: unknown]
  | readonly ['done', id: number, value: unknown]
  | readonly ['failed', id: number, error: unknown]
  | readonly ['tell', topic: string, payload: unknown];

interface Pending {
  readonly method: string;
  readonly dueAt: number;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/**
 * While this many batches wait for a stuck receiver, no more are handed over: what is told is dropped, calls are held
 * here until their deadline. What is told may be lost, memory may not.
 */
const STUCK_BATCHES = 64;
const SWEEP_MS = 250;

/** The key keeps it apart from whatever else crosses the channel. */
interface Envelope {
  readonly parley: readonly Item[];
}

const isEnvelope = (message: unknown): message is Envelope =>
  typeof message === 'object' && message !== null && 'parley' in message && Array.isArray(message.parley);

/**
 * Calls and notices between two processes. Everything said within one turn of the event loop crosses as one message,
 * in the order it was said; calls always come back, with an answer, an error or `away`.
 */
export class Link {
  readonly #channel: Channel;
  readonly #options: LinkOptions;
  readonly #pending = new Map<number, Pending>();
  readonly #handlers = new Map<string, (payload: unknown) => unknown>();
  readonly #listeners = new Map<string, (payload: unknown) => void>();
  readonly #recovered = new Set<() => void>();
  #outgoing: Item[] = [];
  #nextId = 1;
  #scheduled = false;
  #unsent = 0;
  #dropped = false;
  #closed = false;
  readonly #sweep: NodeJS.Timeout;

  constructor(channel: Channel, options: LinkOptions) {
    this.#channel = channel;
    this.#options = options;
    this.#sweep = setInterval(() => this.#rejectOverdue(), SWEEP_MS);
    this.#sweep.unref();
    channel.onMessage((message) => {
      if (isEnvelope(message)) for (const item of message.parley) this.#take(item);
    });
    channel.onClose(() => this.close());
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Answers calls of the other end; what `run` throws or rejects with is the caller's error. */
  handle(method: string, run: (payload: never) => unknown): void {
    this.#handlers.set(method, run as (payload: unknown) => unknown);
  }

  on(topic: string, listener: (payload: never) => void): void {
    this.#listeners.set(topic, listener as (payload: unknown) => void);
  }

  /** The other end was stuck, some of what was told was dropped, and it listens again. */
  onRecovered(listener: () => void): void {
    this.#recovered.add(listener);
  }

  call<T>(method: string, payload: unknown, deadlineMs = this.#options.deadlineMs): Promise<T> {
    if (this.#closed) return Promise.reject(this.#options.away(method));
    const id = this.#nextId++;
    return new Promise<T>((resolve, reject) => {
      this.#pending.set(id, {
        method,
        dueAt: performance.now() + deadlineMs,
        resolve: resolve as (value: unknown) => void,
        reject,
      });
      this.#say(['call', id, method, payload]);
    });
  }

  /** May be lost when the other end is stuck or dies. */
  tell(topic: string, payload: unknown): void {
    if (this.#unsent >= STUCK_BATCHES) this.#dropped = true;
    else this.#say(['tell', topic, payload]);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#sweep);
    this.#outgoing = [];
    for (const { method, reject } of this.#pending.values()) reject(this.#options.away(method));
    this.#pending.clear();
  }

  #say(item: Item): void {
    if (this.#closed) return;
    this.#outgoing.push(item);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#outgoing.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#closed || this.#outgoing.length === 0 || this.#unsent >= STUCK_BATCHES) return;
    const envelope: Envelope = { parley: this.#outgoing };
    this.#outgoing = [];
    this.#unsent += 1;
    this.#channel.send(envelope, () => {
      this.#unsent -= 1;
      this.#schedule();
      if (this.#unsent > 0 || !this.#dropped || this.#closed) return;
      this.#dropped = false;
      for (const listener of this.#recovered) listener();
    });
  }

  #take(item: Item): void {
    // What arrives late was said by a process whose death has been dealt with: acting on it would leave traces of it.
    if (this.#closed) return;
    switch (item[0]) {
      case 'call':
        void this.#run(item[1], item[2], item[3]);
        return;
      case 'done':
        this.#settle(item[1])?.resolve(item[2]);
        return;
      case 'failed':
        this.#settle(item[1])?.reject(this.#options.errors.unpack(item[2]));
        return;
      case 'tell':
        this.#listeners.get(item[1])?.(item[2]);
        return;
      default:
        item satisfies never;
    }
  }

  async #run(id: number, method: string, payload: unknown): Promise<void> {
    try {
      const handler = this.#handlers.get(method);
      if (!handler) throw new Error(`nobody answers ${method} in this process`);
      this.#say(['done', id, await handler(payload)]);
    } catch (error) {
      this.#say(['failed', id, this.#options.errors.pack(error)]);
    }
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  #rejectOverdue(): void {
    const now = performance.now();
    for (const [id, { dueAt, method, reject }] of this.#pending) {
      if (dueAt > now) continue;
      this.#pending.delete(id);
      reject(this.#options.away(method));
    }
    // Held back so far, and nobody waits for the answer any more: better not done at all.
    this.#outgoing = this.#outgoing.filter((it) => it[0] !== 'call' || this.#pending.has(it[1]));
  }
}

/** Two ends in one process, each a structured clone away from the other, as across processes. */
export function channelPair(): [Channel, Channel] {
  const listeners: [((message: unknown) => void)[], ((message: unknown) => void)[]] = [[], []];
  const end = (own: 0 | 1): Channel => ({
    send: (message, sent) => {
      const copy: unknown = structuredClone(message);
      setImmediate(() => {
        for (const listener of listeners[own === 0 ? 1 : 0]) listener(copy);
        sent(false);
      });
    },
    onMessage: (listener) => listeners[own].push(listener),
    onClose: () => {},
  });
  return [end(0), end(1)];
}
