import type { Room, RoomView, Standing } from '../../../chat/model.ts';
import { Batches, type Waiting } from './batches.ts';
import { type RoomDocument, type StandingDocument, toHeadless, toRoom } from './documents.ts';
import { isBanned } from './member-operations.ts';
import { CALL_MS, type Database } from './mongo-connection.ts';
import { findRoom, type RoomPlaces } from './room-places.ts';

/** Heads that are looked for at once: what waits for a connection may wait too long. */
const HEADS_AT_ONCE = 50;

interface Asked {
  readonly database: Database;
  readonly user: string;
}
type Headless = Standing['room'];
type Seen<R extends Headless> = Omit<Standing, 'room'> & { readonly room: R };

/**
 * Rooms as users stand to them. Whoever sends is looked at first, so standings are read once per message, and looks are
 * shared. No answer is older than its question.
 */
export class RoomViews {
  readonly #places: RoomPlaces;
  readonly #onRead: (room: RoomDocument) => void;
  readonly #views = this.#looks((database, room) => this.roomOf(database, room));
  readonly #standings = this.#looks(async (_, room) => {
    this.#onRead(room);
    this.#places.placeOf(room);
    return toHeadless(room);
  });

  /** `onRead` is told of each room that was read. */
  constructor(places: RoomPlaces, onRead: (room: RoomDocument) => void) {
    this.#places = places;
    this.#onRead = onRead;
  }

  view(database: Database, room: string, user: string): Promise<RoomView | undefined> {
    return this.#views.submit(room, { database, user });
  }

  standing(database: Database, room: string, user: string): Promise<Standing | undefined> {
    return this.#standings.submit(room, { database, user });
  }

  /** Several rooms as one user stands to them; `standings` of theirs that are known need not be read. */
  async viewsOf(
    database: Database,
    user: string,
    rooms: readonly RoomDocument[],
    standings?: readonly StandingDocument[],
  ): Promise<RoomView[]> {
    const keys = rooms.map(({ _id }) => _id);
    const [known, heads] = await Promise.all([
      standings ?? standingsOf(database, keys, [user]),
      this.headsOf(database, rooms),
    ]);
    const byRoom = new Map(known.map((it) => [it.room.toHexString(), it]));
    return rooms.map((room, at) => toView(toRoom(room, heads[at] ?? 0), byRoom.get(room._id.toHexString())));
  }

  async roomOf(database: Database, room: RoomDocument): Promise<Room> {
    return toRoom(room, await this.headOf(database, room));
  }

  /** Those who ask about the same room while a look is under way share the next one. */
  #looks<R extends Headless>(
    present: (database: Database, room: RoomDocument) => Promise<R>,
  ): Batches<Asked, Seen<R> | undefined> {
    const run = async (id: string, batch: readonly Waiting<Asked, Seen<R> | undefined>[]): Promise<void> => {
      const [first] = batch;
      if (first === undefined) return;
      const { database } = first.item;
      const found = await findRoom(database, id);
      const users = [...new Set(batch.map(({ item }) => item.user))];
      const [room, standings] =
        found === undefined
          ? [undefined, []]
          : await Promise.all([present(database, found), standingsOf(database, [found._id], users)]);
      const byUser = new Map(standings.map((it) => [it.user, it]));
      for (const { item, resolve } of batch) resolve(room && toView(room, byUser.get(item.user)));
    };
    return new Batches({ run, cut: (waiting) => waiting.length, ms: CALL_MS });
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
  const filter = { user: { $in: users }, room: { $in: rooms } };
  return op(models.standings.collection.find<StandingDocument>(filter).toArray());
}

function toView<R extends Headless>(room: R, standing: StandingDocument | undefined): Seen<R> {
  const { role, ban, user = '' } = standing ?? {};
  if (ban === undefined || !isBanned(ban)) return { room, ...(role !== undefined && { role }) };
  const { until, reason } = ban;
  const inForce = { user, ...(until !== null && { until }), ...(reason !== undefined && { reason }) };
  return { room, ...(role !== undefined && { role }), ban: inForce };
}
