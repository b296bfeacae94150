import type { PayloadOf } from '../wire/socket.ts';
import { ParleyError } from './parley-error.ts';

export type Outgoing = Omit<PayloadOf<'message'>, 'chatroom' | 'clientId'>;

/** A message was stored; its place in the room is `seq`. */
export interface Sent {
  readonly kind: 'message';
  readonly id: string;
  readonly clientId: string;
  readonly seq: number;
  readonly createdAt: string;
  /** The server had it already: an earlier attempt, whose answer was lost, had reached it. */
  readonly replayed: boolean;
}

/** A bot was asked; its answer names this `id` in `inReplyTo`. */
export interface Commanded {
  readonly kind: 'command';
  readonly id: string;
  readonly clientId: string;
  readonly command: string;
}

/** The time and 96 random bits; `randomUUID` is not there on pages that come over plain HTTP. */
export function newClientId(): string {
  // The time in front keeps new keys together in the server's index; the random part makes them differ.
  const time = Date.now().toString(16).padStart(12, '0');
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return time + Array.from(bytes, (it) => it.toString(16).padStart(2, '0')).join('');
}

/**
 * Messages of one room leave in the order in which they were given, each only when the one before it was settled:
 * a repeated first one cannot fall behind a second one.
 */
export class Outbox {
  readonly #tails = new Map<string, Promise<void>>();

  send(room: string, clientId: string, attempt: () => Promise<Sent | Commanded>): Promise<Sent | Commanded> {
    const sent = (this.#tails.get(room) ?? Promise.resolve()).then(attempt).catch((error) => {
      throw error instanceof ParleyError ? error.of(clientId) : error;
    });
    const tail = sent.then(
      () => {},
      () => {},
    );
    this.#tails.set(room, tail);
    void tail.then(() => {
      if (this.#tails.get(room) === tail) this.#tails.delete(room);
    });
    return sent;
  }
}
