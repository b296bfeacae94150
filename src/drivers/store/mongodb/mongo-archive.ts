import { setTimeout as pause } from 'node:timers/promises';
import { Types, trusted } from 'mongoose';
import { ChatError, noSuchRoom, tryAgain } from '../../../chat/errors.ts';
import type {
  Archive,
  ArchivedBan,
  ArchivedMember,
  ArchivedMessage,
  ArchivedRoom,
  RoomImport,
} from '../../../chat/ports/archive.ts';
import {
  type EntryDocument,
  entryKey,
  type ReadMarkDocument,
  type RoomDocument,
  type RoomKey,
  type StandingDocument,
  toMessage,
  toRoom,
} from './documents.ts';
import { putImage, readImage } from './images.ts';
import { type Database, MongoConnection, type MongoOptions } from './mongo-connection.ts';
import { idsOfRooms } from './room-list.ts';
import { findRoom, RoomPlaces } from './room-places.ts';
import { claimOf, noClaim, removeAllOf } from './room-writes.ts';
import { isDuplicate } from './store-failure.ts';
import { JOINS_OF_TURN } from './turn.ts';

const REACH_MS = 15_000;
const POLL_MS = 50;

/** The store on MongoDB, room by room, beside running servers. */
export class MongoArchive implements Archive {
  readonly #connection: MongoConnection;
  readonly #places = new RoomPlaces();

  /** Rejects with `try_again` when the engine does not answer. */
  static async open(options: MongoOptions): Promise<MongoArchive> {
    const connection = new MongoConnection(options, { failures: 0 });
    for (const until = performance.now() + REACH_MS; connection.reach !== 'here'; await pause(POLL_MS)) {
      if (performance.now() < until) continue;
      await connection.close();
      throw tryAgain('MongoDB');
    }
    return new MongoArchive(connection);
  }

  private constructor(connection: MongoConnection) {
    this.#connection = connection;
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  roomIds(limit: number, after = ''): Promise<string[]> {
    return this.#connection.call((database) => idsOfRooms(database, limit, after));
  }

  room(id: string): Promise<ArchivedRoom | undefined> {
    return this.#connection.call(async (database) => {
      const found = await findRoom(database, id);
      if (found === undefined) return undefined;
      const { count: _count, epoch: _epoch, ...room } = toRoom(found, await this.#places.headOf(database, found));
      return { ...room, nameKey: found.nameKey };
    });
  }

  members(id: string): Promise<ArchivedMember[]> {
    return this.#connection.call(async (database) => {
      const { models, op } = database;
      const room = await keyOf(database, id);
      const query = models.standings.find({ room, joined: trusted({ $gt: 0 }) }).sort({ joined: 1 });
      const [members, marks] = await Promise.all([
        op(query.lean<StandingDocument[]>().exec()),
        op(models.readMarks.find({ room }).lean<ReadMarkDocument[]>().exec()),
      ]);
      const read = new Map(marks.map(({ user, seq }) => [user, seq]));
      return members.map(({ user, name = '', role = 'member', joinedAt = '' }) => {
        return { user, name, role, joinedAt, readSeq: read.get(user) ?? 0 };
      });
    });
  }

  bans(id: string): Promise<ArchivedBan[]> {
    return this.#connection.call(async (database) => {
      const { models, op } = database;
      const room = await keyOf(database, id);
      const found = await op(models.standings.find({ room }).sort({ user: 1 }).lean<StandingDocument[]>().exec());
      return found.flatMap(({ user, ban }) => {
        if (ban === undefined) return [];
        const { until, reason, by, at } = ban;
        return [{ user, ...(until !== null && { until }), ...(reason !== undefined && { reason }), by, at }];
      });
    });
  }

  messages(id: string, from: number, limit: number): Promise<ArchivedMessage[]> {
    return this.#connection.call(async (database) => {
      const { models, op } = database;
      const room = await keyOf(database, id);
      const query = models.entries.find({ room, seq: trusted({ $gte: Math.max(1, from) }) }).sort({ seq: 1 });
      const entries = await op(query.limit(limit).lean<EntryDocument[]>().exec());
      return Promise.all(
        entries.map(async (entry) => {
          const { chatroom: _chatroom, ...message } = toMessage(id, entry);
          const hasImage = entry.type === 3 && entry.deleted !== true;
          const image = hasImage ? await readImage(database, room, entry._id) : undefined;
          const { clientId, fingerprint } = entry;
          return { ...message, clientId, fingerprint, ...(image && { image }) };
        }),
      );
    });
  }

  /**
   * Until it is finished the room has a `goneAt` below 0, so that nobody sees it and nobody sweeps it. Its id says what is
   * being imported: whoever imports that room again removes what an import that was broken off has left.
   */
  async importRoom(room: ArchivedRoom, epoch: string): Promise<RoomImport> {
    const key = new Types.ObjectId();
    await this.#connection.call((database) => requireFree(database, room));
    await this.#removeRest(room.id);
    await this.#connection.call(async ({ models, op }) => {
      const { id: _id, headSeq, ...facts } = room;
      const hidden = { id: `import:${room.id}`, claim: `import:${room.id}`, goneAt: -Date.now() };
      const document: RoomDocument = { ...facts, _id: key, ...hidden, head: headSeq, count: 0, epoch, turn: 1 };
      await op(models.rooms.insertMany([document], { lean: true }));
    });
    return this.#importInto(key, room);
  }

  #importInto(key: RoomKey, room: ArchivedRoom): RoomImport {
    let joined = 0;
    return {
      addMembers: (members) =>
        this.#connection.call(async ({ models, op }) => {
          const standings = members.map(({ readSeq: _readSeq, ...it }): StandingDocument => {
            joined += 1;
            return { room: key, turn: 1, ...it, joined };
          });
          await op(models.standings.insertMany(standings, { lean: true }));
          const marks = members.filter(({ readSeq }) => readSeq > 0);
          const seqs = marks.map(({ user, readSeq }): ReadMarkDocument => ({ room: key, user, seq: readSeq }));
          if (seqs.length > 0) await op(models.readMarks.insertMany(seqs, { lean: true }));
        }),
      addBans: (bans) =>
        this.#connection.call(async ({ models, op }) => {
          for (const { user, until = null, reason, by, at } of bans) {
            const ban = { until, ...(reason !== undefined && { reason }), by, at };
            const update = { $set: { ban }, $setOnInsert: { turn: 1 } };
            await op(models.standings.updateOne({ room: key, user }, update, { upsert: true }).exec());
          }
        }),
      addMessages: (messages) =>
        this.#connection.call(async (database) => {
          const { models, op } = database;
          for (const { id, image } of messages) if (image) await putImage(database, key, id, image);
          const entries = messages.map((it) => toEntry(key, it));
          await op(models.entries.insertMany(entries, { ordered: true, lean: true })).catch((error: unknown) => {
            if (!isDuplicate(error)) throw error;
            throw new ChatError('duplicate', 'another room has a message of one of these ids', { cause: error });
          });
        }),
      finish: ({ firstSeq, rev, count }) =>
        this.#connection.call(async (database) => {
          await requireFree(database, room);
          // Later turns have numbers above those that its members joined by: see `Turn.nextJoined`.
          const facts = { firstSeq, rev, count, turn: 1 + Math.ceil(joined / JOINS_OF_TURN), id: room.id };
          await reveal(database, key, room, facts);
        }),
      cancel: () => this.#removeRest(room.id),
    };
  }

  async #removeRest(id: string): Promise<void> {
    const room = await this.#connection.call(async ({ models, op }) => {
      const query = models.rooms.findOne({ id: `import:${id}` }, { _id: 1 });
      return (await op(query.lean<{ _id: RoomKey }>().exec()))?._id;
    });
    if (room === undefined) return;
    // A step is a call of its own: there may be more than one call may take.
    while (await this.#connection.call((database) => removeAllOf(database, room)));
    await this.#connection.call(({ models, op }) => op(models.rooms.deleteOne({ _id: room }).exec()));
  }
}

async function keyOf(database: Database, id: string): Promise<RoomKey> {
  const room = await findRoom(database, id);
  if (room === undefined) throw noSuchRoom();
  return room._id;
}

async function requireFree(database: Database, { id, visibility, nameKey, owner }: ArchivedRoom): Promise<void> {
  const { models, op } = database;
  if (await findRoom(database, id)) throw new ChatError('duplicate', `a room ${id} exists already`);
  if (visibility !== 'public') return;
  const taken = await op(models.rooms.exists({ claim: claimOf(visibility, nameKey, owner) }).exec());
  if (taken) throw new ChatError('duplicate', `another public room has the name of room ${id}; rename one of them`);
}

/** A private room that was handed over may share its name with another of its new owner, and does without the claim then. */
async function reveal(
  { models, op }: Database,
  key: RoomKey,
  { visibility, nameKey, owner }: ArchivedRoom,
  facts: Pick<RoomDocument, 'firstSeq' | 'rev' | 'count' | 'turn' | 'id'>,
): Promise<void> {
  const show = (claim: string) =>
    op(models.rooms.updateOne({ _id: key }, { $set: { ...facts, claim }, $unset: { goneAt: '' } }).exec());
  const claim = claimOf(visibility, nameKey, owner);
  const { modifiedCount } = await show(claim).catch((error: unknown) => {
    if (!isDuplicate(error)) throw error;
    if (visibility === 'private') return show(noClaim(key));
    throw new ChatError('duplicate', 'a room of the same id or name was made meanwhile', { cause: error });
  });
  if (modifiedCount !== 1) throw new ChatError('duplicate', 'the same room is being imported by somebody else');
}

const toEntry = (room: RoomKey, { id, image: _image, bot, meta, rev, ...rest }: ArchivedMessage): EntryDocument => ({
  _id: id,
  room,
  key: entryKey(rest.owner, rest.clientId),
  ...rest,
  ...(bot && { bot: bot.name }),
  ...(meta && { meta: JSON.stringify(meta) }),
  ...(rev !== undefined && { rev, changedIn: room }),
});
