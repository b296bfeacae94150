import { LRUCache } from 'lru-cache';
import { trusted } from 'mongoose';
import { noSuchRoom } from '../../../chat/errors.ts';
import { Batches } from './batches.ts';
import type { RoomDocument, RoomKey } from './documents.ts';
import { CALL_MS, type Database } from './mongo-connection.ts';

/** What this process remembers of a room; `head` is never above the true one. */
export interface Place {
  readonly key: RoomKey;
  readonly head: number;
}

const MAX_PLACES = 20_000;
/**
 * A head that is remembered for longer could lie before the first message that is kept by now, where a seq that was
 * given and trimmed would be given again.
 */
export const REMEMBERED_MS = 10 * 60_000;
/** The room's own mark of its head is raised when it is so far behind. */
const HEAD_STEP = 512;

/** Rooms by id, with where their logs stand. Reads of the same room's head that come together are one. */
export class RoomPlaces {
  readonly #known = new LRUCache<string, Place>({ max: MAX_PLACES, ttl: REMEMBERED_MS });
  readonly #heads = new Batches<{ database: Database; room: Place }, number>({
    run: async (_, batch) => {
      const [first] = batch;
      if (first === undefined) return;
      const { database, room } = first.item;
      const atLeast = Math.max(...batch.map(({ item }) => item.room.head));
      const head = await readHead(database, room.key, atLeast);
      for (const { resolve } of batch) resolve(head);
    },
    cut: (waiting) => waiting.length,
    ms: CALL_MS,
  });

  known(id: string): Place | undefined {
    return this.#known.get(id);
  }

  forget(id: string): void {
    this.#known.delete(id);
  }

  /** Heads never go back while the room is the same. */
  remember(id: string, key: RoomKey, head: number): Place {
    const known = this.#known.get(id);
    const place = { key, head: known?.key.equals(key) ? Math.max(known.head, head) : head };
    this.#known.set(id, place);
    return place;
  }

  /** Where a room that was just read stands at least. */
  placeOf(room: RoomDocument): Place {
    return this.remember(room.id, room._id, Math.max(room.head, room.firstSeq - 1));
  }

  async headOf(database: Database, room: RoomDocument): Promise<number> {
    return this.readHead(database, room.id, this.placeOf(room));
  }

  async readHead(database: Database, id: string, room: Place): Promise<number> {
    const head = await this.#heads.submit(room.key.toHexString(), { database, room });
    this.remember(id, room.key, head);
    return head;
  }

  /**
   * Runs `read` for the room of this id, or gives undefined when there is none. A key that is known is used at once, and
   * checked at the same time: what is read under the key of a deleted room is thrown away.
   */
  async within<R>(database: Database, id: string, read: (key: RoomKey) => Promise<R>): Promise<R | undefined> {
    const known = this.known(id);
    const [room, early] = await Promise.all([
      findRoom(database, id),
      known && read(known.key).then((result) => ({ result })),
    ]);
    if (room === undefined) {
      this.forget(id);
      return undefined;
    }
    const { key } = this.placeOf(room);
    return early && known?.key.equals(key) ? early.result : read(key);
  }
}

/** Whether the mark of the head on the room itself is worth a write. */
export const crossesStep = (from: number, to: number): boolean =>
  Math.floor(from / HEAD_STEP) !== Math.floor(to / HEAD_STEP);

/** Nobody waits for it, and it may get lost: a mark that is too low costs a longer look for the head. */
export async function raiseHeadMark({ models, op }: Database, key: RoomKey, head: number): Promise<void> {
  await op(models.rooms.updateOne({ _id: key }, { $max: { head } }, { writeConcern: { w: 1 } }).exec());
}

export async function findRoom({ models, op }: Database, id: string): Promise<RoomDocument | undefined> {
  // By the driver itself, as all that each message reads: what mongoose makes of a query costs CPU on top. `$eq`, as elsewhere
  // `$in`: what stands there is a value, whatever came through.
  return (await op(models.rooms.collection.findOne<RoomDocument>({ id: { $eq: id }, goneAt: null }))) ?? undefined;
}

/** Rejects with `invalid_chatroom`. */
export async function requireRoom(database: Database, id: string): Promise<RoomDocument> {
  const room = await findRoom(database, id);
  if (room === undefined) throw noSuchRoom();
  return room;
}

/** Those of the rooms that have not been deleted, by their keys as hex. */
export async function thoseThere(
  { models, op }: Database,
  keys: readonly RoomKey[],
): Promise<Map<string, Pick<RoomDocument, 'wanted'>>> {
  const filter = { _id: { $in: keys }, goneAt: null };
  const query = models.rooms.collection.find<Pick<RoomDocument, '_id' | 'wanted'>>(filter, {
    projection: { wanted: 1 },
  });
  const found = await op(query.toArray());
  return new Map(found.map((it) => [it._id.toHexString(), it]));
}

/** The newest seq, looked for from where the room stands at least. */
async function readHead({ models, op }: Database, room: RoomKey, atLeast: number): Promise<number> {
  const newest = await op(
    models.entries
      .findOne({ room, seq: trusted({ $gte: Math.max(1, atLeast) }) }, { seq: 1, _id: 0 })
      .sort({ seq: -1 })
      .lean<{ seq: number }>()
      .exec(),
  );
  return newest?.seq ?? atLeast;
}
