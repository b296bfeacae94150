import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import type { Acked } from '../../src/verify/check-log.ts';
import { type CaughtUpPage, RoomJournal } from '../../src/verify/room-journal.ts';
import type { CheckedClient } from './check-logs.ts';
import { eventually } from './eventually.ts';
import type { StoredMessage } from './rest.ts';

export interface ChatClientOptions extends Partial<ManagerOptions & SocketOptions> {
  readonly name?: string;
}

/** Any ack of the server. */
export interface Ack {
  readonly error: number;
  readonly code?: string;
  readonly retry?: boolean;
  readonly retryAfterMs?: number;
  readonly id?: string;
  readonly seq?: number;
  readonly replayed?: boolean;
  readonly command?: string;
}

export interface Push {
  readonly event: string;
  readonly payload: Readonly<Record<string, unknown>>;
  /** Milliseconds, monotonic. */
  readonly at: number;
}

type Page = CaughtUpPage<StoredMessage>;

const ACK_MS = 6000;
const SEND_MS = 45_000;
const AGAIN_MS = 100;

/**
 * A client as anybody would write it with nothing but socket.io-client and its defaults: it sends what was not
 * acknowledged again under the same clientId, and catches up with `resume` after each connect. It shares no code with
 * the server and notes everything.
 */
export class ChatClient implements CheckedClient {
  readonly name: string;
  readonly socket: Socket;
  readonly acked: Acked[] = [];
  readonly pushes: Push[] = [];
  /** The worker of each connection, in order. */
  readonly nodes: string[] = [];
  /** When and why connections ended, but not by {@link close}. */
  readonly cuts: { at: number; node: string; reason: string }[] = [];
  readonly refusals: Error[] = [];
  readonly #rooms = new Map<string, RoomJournal<StoredMessage>>();
  #connections = 0;
  #closed = false;

  constructor(url: string, token: string, { name = 'a client', ...options }: ChatClientOptions = {}) {
    this.name = name;
    this.socket = io(`${url}/v1/channel`, {
      forceNew: true,
      reconnectionDelay: 50,
      reconnectionDelayMax: 500,
      auth: { token },
      ...options,
    });
    this.socket.on('connect', () => this.#onConnect());
    this.socket.on('disconnect', (reason, details) => {
      if (this.#closed) return;
      const said = details === undefined ? '' : `: ${'description' in details ? details.description : details.message}`;
      this.cuts.push({ at: performance.now(), node: this.node, reason: `${reason}${said}` });
    });
    this.socket.on('connect_error', (error) => this.refusals.push(error));
    this.socket.onAny((event: string, payload: Push['payload']) => {
      this.pushes.push({ event, payload, at: performance.now() });
      if (event === 'authentication' && !payload.expired) this.nodes.push(String(payload.node));
    });
    this.socket.on('message', (message: StoredMessage & { chatroom: string }) => {
      this.#rooms.get(message.chatroom)?.live(message);
    });
  }

  /** The worker that holds this client's socket. */
  get node(): string {
    return this.nodes.at(-1) ?? '';
  }

  /** What Engine.IO talks over. */
  get transport(): string {
    return this.socket.connected ? this.socket.io.engine.transport.name : 'none';
  }

  journalOf(room: string): RoomJournal<StoredMessage> {
    const found = this.#rooms.get(room);
    if (!found) throw new Error(`${this.name} does not follow ${room}`);
    return found;
  }

  appliedOf(room: string): readonly StoredMessage[] | undefined {
    return this.#rooms.get(room)?.applied;
  }

  faults(): readonly string[] {
    return [...this.#rooms].flatMap(([room, { faults }]) => faults.map((it) => `${room}: ${it}`));
  }

  pushesOf(event: string, room?: string): Push['payload'][] {
    return this.pushes.flatMap(({ event: name, payload }) =>
      name === event && (room === undefined || payload.chatroom === room || payload.id === room) ? [payload] : [],
    );
  }

  /** Connected, and told who it is. */
  async online(withinMs = 15_000): Promise<this> {
    await eventually(
      `${this.name} is online`,
      () => this.socket.connected && this.nodes.length >= this.#connections,
      withinMs,
    ).catch((cause: unknown) => {
      throw new Error(`${this.name}: ${this.refusals.map((it) => it.message).join(', ')}`, { cause });
    });
    return this;
  }

  /** One event and its ack; rejects when none comes. */
  async call<T extends object = Ack>(event: string, payload: unknown): Promise<T & Ack> {
    const ack: T & Ack = await this.socket.timeout(ACK_MS).emitWithAck(event, payload);
    return ack;
  }

  /** Joins (again) and keeps the room's log from its beginning. */
  async follow(room: string): Promise<this> {
    const journal = new RoomJournal<StoredMessage>();
    this.#rooms.set(room, journal);
    const ack = await this.call<Page>('join', { chatroom: room, after: 0 });
    if (ack.error !== 0) throw new Error(`${this.name} cannot join: ${JSON.stringify(ack)}`);
    journal.caughtUp(ack);
    if (ack.hasMore) await this.#catchUp(this.#connections);
    return this;
  }

  /** Sends until there is a receipt, as often as it takes; rejects with what the server finally refuses. */
  async send(room: string, message: string, clientId: string = randomUUID()): Promise<Ack> {
    const dueAt = performance.now() + SEND_MS;
    while (performance.now() < dueAt) {
      const ack = await this.#attempt({ chatroom: room, message, clientId });
      if (ack?.error === 0) {
        const { id = '', seq } = ack;
        if (seq !== undefined) this.acked.push({ room, clientId, id, seq });
        return ack;
      }
      if (ack && ack.retry !== true) throw Object.assign(new Error(`refused: ${JSON.stringify(ack)}`), { ack });
      await sleep(ack?.retryAfterMs ?? AGAIN_MS);
    }
    throw new Error(`${this.name}: no receipt in ${SEND_MS} ms`);
  }

  close(): void {
    this.#closed = true;
    this.socket.disconnect();
  }

  async #attempt(payload: object): Promise<Ack | undefined> {
    if (!this.socket.connected) return undefined;
    try {
      return await this.call('message', payload);
    } catch {
      return undefined; // unknown: stored once or not at all
    }
  }

  #onConnect(): void {
    this.#connections += 1;
    for (const journal of this.#rooms.values()) journal.beginConnection();
    void this.#catchUp(this.#connections);
  }

  async #catchUp(connection: number): Promise<void> {
    let behind = [...this.#rooms.keys()];
    while (behind.length > 0) {
      const rooms = Object.fromEntries(behind.map((it) => [it, this.journalOf(it).cursor]));
      const ack = await this.call<{ rooms: Record<string, Page> }>('resume', { rooms }).catch(() => undefined);
      if (connection !== this.#connections || !this.socket.connected) return; // the next connect begins anew
      if (ack?.error !== 0) {
        await sleep(AGAIN_MS);
        continue;
      }
      behind = behind.filter((room) => {
        const page = ack.rooms[room];
        if (!page || 'error' in page) return false; // closed to this user
        this.journalOf(room).caughtUp(page);
        return page.hasMore;
      });
    }
  }
}
