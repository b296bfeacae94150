import { trusted } from 'mongoose';
import type { Room, RoomView } from '../../../chat/model.ts';
import { Batches, type Waiting } from './batches.ts';
import { type RoomDocument, type StandingDocument, toRoom } from './documents.ts';
import { isBanned } from './member-operations.ts';
import { CALL_MS, type Database } from './mongo-connection.ts';
import { findRoom, type RoomPlaces } from './room-places.ts';

/** Heads that are looked for at once: what waits for a connection may wait too long. */
const HEADS_AT_ONCE = 50;

interface Asked {
  readonly database: Database;
  readonly user: string;
}
type Waits = Waiting<Asked, RoomView | undefined>;

/**
 * Rooms as users stand to them. Whoever sends is looked at first, so this is read once per message: those who ask about
 * the same room while a look is under way share the next one. No answer is older than its question.
 */
export class RoomViews {
  readonly #places: RoomPlaces;
  readonly #onRead: (room: RoomDocument) => void;
  readonly #batches = new Batches<Asked, RoomView | undefined>({
    run: (room, batch) => this.#look(room, batch),
    cut: (waiting) => waiting.length,
    ms: CALL_MS,
  });

  /** `onRead` is told of each room that was read. */
  constructor(places: RoomPlaces, onRead: (room: RoomDocument) => void) {
    this.#places = places;
    this.#onRead = onRead;
  }

  view(database: Database, room: string, user: string): Promise<RoomView | undefined> {
    return this.#batches.submit(room, { database, user });
  }

  /** Several rooms as one user stands to them. */
  async viewsOf(database: Database, user: string, rooms: readonly RoomDocument[]): Promise<RoomView[]> {
    const [standings, heads] = await Promise.all([
      standingsOf(
        database,
        rooms.map(({ _id }) => _id),
        [user],
      ),
      this.headsOf(database, rooms),
    ]);
    const byRoom = new Map(standings.map((it) => [it.room.toHexString(), it]));
    return rooms.map((room, at) => toView(toRoom(room, heads[at] ?? 0), byRoom.get(room._id.toHexString())));
  }

  async roomOf(database: Database, room: RoomDocument): Promise<Room> {
    return toRoom(room, await this.headOf(database, room));
  }

  async #look(id: string, batch: readonly Waits[]): Promise<void> {
    const [first] = batch;
    if (first === undefined) return;
    const { database } = first.item;
    const found = await findRoom(database, id);
    const users = [...new Set(batch.map(({ item }) => item.user))];
    const [room, standings] =
      found === undefined
        ? [undefined, []]
        : await Promise.all([this.roomOf(database, found), standingsOf(database, [found._id], users)]);
    const byUser = new Map(standings.map((it) => [it.user, it]));
    for (const { item, resolve } of batch) resolve(room && toView(room, byUser.get(item.user)));
  }

  async headsOf(database: Database, rooms: readonly RoomDocument[]): Promise<number[]> {
    const heads: number[] = [];
    for (let at = 0; at < rooms.length; at += HEADS_AT_ONCE) {
      const some = rooms.slice(at, at + HEADS_AT_ONCE);
      heads.push(...(await Promise.all(some.map((it) => this.headOf(database, it)))));
    }
    return heads;
  }

  headOf(database: Database, room: RoomDocument): Promise<number> {
    this.#onRead(room);
    return this.#places.headOf(database, room);
  }
}

async function standingsOf(
  { models, op }: Database,
  rooms: readonly RoomDocument['_id'][],
  users: readonly string[],
): Promise<StandingDocument[]> {
  const query = models.standings.find({ user: trusted({ $in: users }), room: trusted({ $in: rooms }) });
  return op(query.lean<StandingDocument[]>().exec());
}

function toView(room: Room, standing: StandingDocument | undefined): RoomView {
  const { role, ban, user = '' } = standing ?? {};
  if (ban === undefined || !isBanned(ban)) return { room, ...(role !== undefined && { role }) };
  const { until, reason } = ban;
  const inForce = { user, ...(until !== null && { until }), ...(reason !== undefined && { reason }) };
  return { room, ...(role !== undefined && { role }), ban: inForce };
}
