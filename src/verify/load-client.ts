import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { io, type Socket } from 'socket.io-client';
import type { Acked, Witness } from './check-log.ts';
import { type CaughtUpPage, type LoggedMessage, RoomJournal } from './room-journal.ts';

interface Ack {
  readonly error: number;
  readonly code?: string;
  readonly detail?: string;
  readonly retry?: boolean;
  readonly retryAfterMs?: number;
  readonly id?: string;
  readonly seq?: number;
}

const ACK_MS = 6000;
const AGAIN_MS = 100;

/**
 * A client as anybody would write it with nothing but socket.io-client: it sends what was not acknowledged again under
 * the same clientId, and catches up with `resume` after each connect. It uses nothing of the server or the typed client.
 */
export class LoadClient {
  readonly name: string;
  readonly acked: Acked[] = [];
  /** From the first attempt to the receipt, milliseconds. */
  readonly ackMs: number[] = [];
  /** From the end of a connection until everything missed is there, milliseconds. */
  readonly backMs: number[] = [];
  cuts = 0;
  /** Answers that no repetition can mend. */
  readonly refusals: string[] = [];
  readonly #socket: Socket;
  readonly #journals = new Map<string, RoomJournal>();
  #connections = 0;
  #cutAt: number | undefined;
  #closed = false;

  constructor(url: string, token: string, name: string, transports: readonly string[]) {
    this.name = name;
    this.#socket = io(`${url}/v1/channel`, {
      forceNew: true,
      transports: [...transports],
      reconnectionDelay: 50,
      reconnectionDelayMax: 1000,
      randomizationFactor: 0.5,
      auth: { token },
    });
    this.#socket.on('connect', () => {
      this.#connections += 1;
      for (const journal of this.#journals.values()) journal.beginConnection();
      void this.#catchUp(this.#connections, [...this.#journals.keys()]);
    });
    this.#socket.on('disconnect', (reason) => {
      if (this.#closed) return;
      this.cuts += 1;
      this.#cutAt ??= performance.now();
      // The server said goodbye to this client for good, as a plain one would understand it.
      if (reason === 'io server disconnect') this.#socket.connect();
    });
    this.#socket.on('connect_error', (error) => {
      // A refusal by name ends Socket.IO's own attempts; a server that drains or starts refuses for a moment only.
      if (!this.#socket.active && !this.#closed) {
        if (!('data' in error)) this.refusals.push(error.message);
        setTimeout(() => !this.#closed && this.#socket.connect(), AGAIN_MS).unref();
      }
    });
    this.#socket.on('message', (message: LoggedMessage & { chatroom: string }) => {
      this.#journals.get(message.chatroom)?.live(message);
    });
  }

  get isOnline(): boolean {
    return this.#socket.connected;
  }

  /** Caught up with every room and connected. */
  get isCurrent(): boolean {
    return this.isOnline && this.#cutAt === undefined;
  }

  lengthOf(room: string): number {
    return this.#journals.get(room)?.applied.length ?? 0;
  }

  /** Keeps the room's log from its beginning. */
  follow(room: string): void {
    this.#journals.set(room, new RoomJournal());
    if (this.isOnline) void this.#catchUp(this.#connections, [room]);
  }

  /** Sends until there is a receipt, or until `giveUp` says that nobody waits for it any more. */
  async send(room: string, message: string, giveUp: () => boolean): Promise<void> {
    const clientId = randomUUID();
    const startedAt = performance.now();
    while (!giveUp()) {
      const ack = await this.#attempt({ chatroom: room, message, clientId });
      if (ack?.error === 0 && ack.seq !== undefined) {
        this.acked.push({ room, clientId, id: ack.id ?? '', seq: ack.seq });
        this.ackMs.push(performance.now() - startedAt);
        return;
      }
      if (ack && ack.retry !== true) {
        this.refusals.push(`${ack.code}: ${ack.detail}`);
        return;
      }
      await sleep(ack?.retryAfterMs ?? AGAIN_MS);
    }
  }

  /** As a lost network does: no goodbye, and Socket.IO finds out by itself. */
  drop(): void {
    this.#socket.io.engine?.close();
  }

  close(): void {
    this.#closed = true;
    this.#socket.disconnect();
  }

  witnessOf(room: string): Witness {
    const journal = this.#journals.get(room);
    return { name: this.name, acked: this.acked, applied: journal?.applied, faults: journal?.faults ?? [] };
  }

  async #attempt(payload: object): Promise<Ack | undefined> {
    if (!this.#socket.connected) return undefined;
    let onCut = (): void => {};
    const cut = new Promise<undefined>((resolve) => {
      onCut = () => resolve(undefined);
      this.#socket.once('disconnect', onCut);
    });
    try {
      const ack: Promise<Ack> = this.#socket.timeout(ACK_MS).emitWithAck('message', payload);
      // Unknown where none comes: stored once or not at all.
      return await Promise.race([ack.catch(() => undefined), cut]);
    } finally {
      this.#socket.off('disconnect', onCut);
    }
  }

  async #catchUp(connection: number, rooms: readonly string[]): Promise<void> {
    let behind = [...rooms];
    while (behind.length > 0) {
      const cursors = Object.fromEntries(behind.map((it) => [it, this.#journals.get(it)?.cursor ?? 0]));
      const ack = await this.#resume(cursors);
      if (connection !== this.#connections || !this.#socket.connected) return; // the next connect begins anew
      if (ack?.error !== 0) {
        await sleep(AGAIN_MS);
        continue;
      }
      behind = behind.filter((room) => {
        const page = ack.rooms[room];
        if (!page || 'error' in page) return false;
        this.#journals.get(room)?.caughtUp(page);
        return page.hasMore;
      });
    }
    if (this.#cutAt !== undefined) this.backMs.push(performance.now() - this.#cutAt);
    this.#cutAt = undefined;
  }

  async #resume(rooms: object): Promise<{ error: number; rooms: Record<string, CaughtUpPage> } | undefined> {
    try {
      return await this.#socket.timeout(ACK_MS).emitWithAck('resume', { rooms });
    } catch {
      return undefined;
    }
  }
}
