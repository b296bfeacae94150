import { trusted } from 'mongoose';
import type { RoomQuery } from '../../../chat/ports/store.ts';
import type { RoomDocument, RoomKey, StandingDocument } from './documents.ts';
import type { Database } from './mongo-connection.ts';

/** A page of rooms, by name, then by id. */
export async function listRooms(
  { models, op }: Database,
  { scope, all, q = '', limit, after }: RoomQuery,
  own: readonly RoomKey[],
): Promise<RoomDocument[]> {
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

/** The rooms that the user is a member of, less those that are gone. */
export async function roomsOf({ models, op }: Database, user: string): Promise<{ _id: RoomKey; id: string }[]> {
  const memberships = models.standings.find({ user, joined: trusted({ $gt: 0 }) }, { room: 1, _id: 0 });
  const found = await op(memberships.lean<Pick<StandingDocument, 'room'>[]>().exec());
  if (found.length === 0) return [];
  const rooms = models.rooms.find({ _id: trusted({ $in: found.map(({ room }) => room) }), goneAt: null }, { id: 1 });
  return await op(rooms.lean<{ _id: RoomKey; id: string }[]>().exec());
}

export async function countRoomsOf(database: Database, user: string, enough: number): Promise<number> {
  const { models, op } = database;
  const count = await op(models.standings.countDocuments({ user, joined: trusted({ $gt: 0 }) }).exec());
  // Some may be of rooms that are gone, which matters only here.
  return count < enough ? count : (await roomsOf(database, user)).length;
}

const literally = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
