import { randomInt } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { RoomKey } from './documents.ts';
import type { Database } from './mongo-connection.ts';

/** Who asked for a turn is let in for so long after. */
const POLITE_MS = 2000;
/** Asked again while it is of no use. */
const ASK_AGAIN_MS = 300;
/** Lost so often in a row before asking: two who write a little meet now and then. */
const LOSSES_BEFORE_ASKING = 2;
/** A rival has to hear that it lost, look where the log stands and write: about three times what a write takes. */
const TURN_WRITES = 3;
const LONGEST_TURN_MS = 250;
const MAX_ROOMS = 10_000;

interface Rivalry {
  /** Since the last success. */
  losses: number;
  /** Last value of the room's `wanted` that is known: our own or somebody else's. */
  wanted: number | undefined;
  askedAt: number;
  politeUntil: number;
  /** The others' turn ends then. All by `performance.now()`. */
  waitUntil: number;
}

/**
 * Who writes next in a room that several processes write to.
 *
 * Without any rule the winner wins on: it knows the head when it is answered, and its next batch is on its way before
 * anybody else has heard. So whoever lost twice in a row puts a new number into the room's `wanted`, which the winner
 * reads beside each of its inserts. From then on each waits for a few writes' time after each success, in which the
 * others get in with all they have. Two who write at once so share a room by halves, in larger batches.
 */
export class RoomRivals {
  readonly #rooms = new LRUCache<string, Rivalry>({ max: MAX_ROOMS });

  /** Whether there are any just now. */
  has(room: string): boolean {
    const it = this.#rooms.get(room);
    return it !== undefined && (it.losses > 0 || it.politeUntil > performance.now());
  }

  /** It is the others' turn. */
  mustWait(room: string): boolean {
    return (this.#rooms.get(room)?.waitUntil ?? 0) > performance.now();
  }

  /** Some of the room's messages were stored, in a write that took so long, with this number in the room. */
  won(room: string, wanted: number | undefined, tookMs: number): void {
    const known = this.#rooms.get(room);
    if (known === undefined && wanted === undefined) return;
    const it = known ?? this.#add(room);
    const now = performance.now();
    it.losses = 0;
    if (wanted !== it.wanted) it.politeUntil = now + POLITE_MS;
    it.wanted = wanted;
    if (it.politeUntil > now) it.waitUntil = now + Math.min(TURN_WRITES * tookMs, LONGEST_TURN_MS);
  }

  /** A seq was taken by another process. `ask` is to be put into the room; `look` says to read where the log stands. */
  lost(room: string): { readonly look: boolean; readonly ask?: number } {
    const it = this.#rooms.get(room) ?? this.#add(room);
    const now = performance.now();
    it.losses += 1;
    // Every other time the next seq is tried without a look: of a rival that writes one at a time it is the right one.
    const look = it.losses % 2 === 1;
    if (it.losses < LOSSES_BEFORE_ASKING || now - it.askedAt < ASK_AGAIN_MS) return { look };
    it.askedAt = now;
    it.wanted = randomInt(2 ** 47);
    it.politeUntil = now + POLITE_MS;
    return { look, ask: it.wanted };
  }

  #add(room: string): Rivalry {
    const never = Number.NEGATIVE_INFINITY;
    const it: Rivalry = { losses: 0, wanted: undefined, askedAt: never, politeUntil: never, waitUntil: never };
    this.#rooms.set(room, it);
    return it;
  }
}

/** Lost, it is asked again. */
export async function askForTurn({ models, op }: Database, room: RoomKey, wanted: number): Promise<void> {
  await op(models.rooms.updateOne({ _id: room }, { $set: { wanted } }, { writeConcern: { w: 1 } }).exec());
}
