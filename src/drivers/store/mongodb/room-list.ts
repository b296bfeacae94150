import { trusted } from 'mongoose';
import type { RoomQuery } from '../../../chat/ports/store.ts';
import type { RoomDocument, RoomKey, StandingDocument } from './documents.ts';
import type { Database } from './mongo-connection.ts';

/** A page of rooms, by name, then by id; `own` are those that the user is a member of. */
export async function listRooms(
  { models, op }: Database,
  { scope, all, q = '', limit, after }: RoomQuery,
  own: readonly RoomKey[],
): Promise<RoomDocument[]> {
  if (scope === 'mine' && own.length === 0) return [];
  const isPublicOnly = scope === 'others' && !all;
  const query = models.rooms.find({
    _id: trusted(scope === 'mine' ? { $in: own } : { $nin: own }),
    goneAt: null,
    ...(isPublicOnly && { visibility: 'public' }),
    // The lower end alone would do for the index; where to begin among rooms of the same name is for the rest.
    ...((after || q !== '') && {
      nameKey: trusted({ ...(after && { $gte: after.nameKey }), ...(q !== '' && { $regex: literally(q) }) }),
    }),
    ...(after && {
      $or: [{ nameKey: trusted({ $gt: after.nameKey }) }, { nameKey: after.nameKey, id: trusted({ $gt: after.id }) }],
    }),
  });
  return await op(query.sort({ nameKey: 1, id: 1 }).limit(limit).lean<RoomDocument[]>().exec());
}

/** Ids of rooms, in their order. */
export async function idsOfRooms({ models, op }: Database, limit: number, after: string): Promise<string[]> {
  const query = models.rooms.find({ id: trusted({ $gt: after }), goneAt: null }, { id: 1 }).sort({ id: 1 });
  return (await op(query.limit(limit).lean<{ id: string }[]>().exec())).map(({ id }) => id);
}

/** How the user stands to the rooms it is a member of; some of them may be gone. */
export async function membershipsOf({ models, op }: Database, user: string): Promise<StandingDocument[]> {
  const query = models.standings.find({ user, joined: trusted({ $gt: 0 }) });
  return await op(query.lean<StandingDocument[]>().exec());
}

/** Ids of the rooms that the user is a member of, less those that are gone. */
export async function roomIdsOf(database: Database, user: string): Promise<string[]> {
  const own = (await membershipsOf(database, user)).map(({ room }) => room);
  if (own.length === 0) return [];
  const { models, op } = database;
  const rooms = models.rooms.find({ _id: trusted({ $in: own }), goneAt: null }, { id: 1 });
  return (await op(rooms.lean<{ id: string }[]>().exec())).map(({ id }) => id);
}

export async function countRoomsOf(database: Database, user: string, enough: number): Promise<number> {
  const { models, op } = database;
  const count = await op(models.standings.countDocuments({ user, joined: trusted({ $gt: 0 }) }).exec());
  // Some may be of rooms that are gone, which matters only here.
  return count < enough ? count : (await roomIdsOf(database, user)).length;
}

const literally = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
