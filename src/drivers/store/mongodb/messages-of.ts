import { Types, trusted } from 'mongoose';
import { invalidCursor } from '../../../chat/errors.ts';
import type { Found } from '../../../chat/ports/store.ts';
import type { RoomKey } from './documents.ts';
import type { Database } from './mongo-connection.ts';

const ROOMS_AT_ONCE = 50;

interface OwnEntry {
  readonly _id: string;
  readonly seq: number;
  readonly deleted?: true;
}

/**
 * Room by room: within a room the keys of one owner lie side by side in the unique index (see `entryKey`). `after` is the
 * room, and the key within it, that were looked at last.
 */
export async function findMessagesOf(
  { models, op }: Database,
  user: string,
  limit: number,
  after?: string,
): Promise<Found> {
  const [room, key] = after?.split(' ') ?? [];
  if (room !== undefined && !/^[\da-f]{24}$/.test(room)) throw invalidCursor();
  const from = room === undefined ? undefined : new Types.ObjectId(room);
  const query = models.rooms.find({
    ...(from && { _id: trusted(key === undefined ? { $gt: from } : { $gte: from }) }),
    goneAt: null,
  });
  const rooms = await op(
    query.select({ id: 1 }).sort({ _id: 1 }).limit(ROOMS_AT_ONCE).lean<{ _id: RoomKey; id: string }[]>().exec(),
  );
  const seen = key === undefined ? '' : Buffer.from(key, 'base64url').toString();
  const startOf = (room: RoomKey): string =>
    from?.equals(room) && seen.startsWith(prefixOf(user)) ? seen : prefixOf(user);
  const messages: { chatroom: string; id: string }[] = [];
  for (const it of rooms) {
    const own = models.entries.find(
      { room: it._id, owner: user, key: trusted({ $gt: startOf(it._id), $lt: endOf(user) }) },
      { key: 1, seq: 1, deleted: 1 },
    );
    const wanted = limit - messages.length;
    const found = await op(own.sort({ key: 1 }).limit(wanted).lean<(OwnEntry & { key: string })[]>().exec());
    for (const { _id, seq, deleted } of found) {
      if (seq > 0 && deleted !== true) messages.push({ chatroom: it.id, id: _id });
    }
    const last = found.at(-1);
    if (found.length >= wanted && last !== undefined) {
      return { messages, next: `${it._id.toHexString()} ${Buffer.from(last.key).toString('base64url')}` };
    }
  }
  const last = rooms.at(-1);
  return { messages, ...(rooms.length === ROOMS_AT_ONCE && last && { next: last._id.toHexString() }) };
}

/** What all keys of an owner begin with: `["ada",`. */
const prefixOf = (user: string): string => JSON.stringify([user, '']).slice(0, -3);
/** Above all of them: the comma's successor. */
const endOf = (user: string): string => `${prefixOf(user).slice(0, -1)}-`;
