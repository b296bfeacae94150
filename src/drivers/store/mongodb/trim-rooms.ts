import { setTimeout as pause } from 'node:timers/promises';
import { trusted } from 'mongoose';
import type { RoomDocument } from './documents.ts';
import { dropImages } from './images.ts';
import type { Database } from './mongo-connection.ts';
import { REMEMBERED_MS } from './room-places.ts';

const REMOVED_AT_ONCE = 200;
const PAUSE_MS = 10;
const ROOMS_AT_ONCE = 100;
/**
 * From the raising of `firstSeq` to the removal of what lies before it. Some process may remember a head that lies there,
 * and the messages after it are all that keeps it from giving their seqs once more. What it remembers longer than this it
 * has read anew, and then it knows the new `firstSeq`.
 */
const SETTLED_MS = REMEMBERED_MS + 60_000;

/** Decides; the removal is left to {@link sweepTrimmedRooms}. `firstSeq` is the head + 1 at most. */
export async function trimRoom({ models, op }: Database, { _id }: RoomDocument, firstSeq: number): Promise<void> {
  const filter = { _id, goneAt: null, firstSeq: trusted({ $lt: firstSeq }) };
  await op(models.rooms.updateOne(filter, { $set: { firstSeq, trimmedAt: Date.now() } }).exec());
}

/** Removes what lies before the first message of trimmed rooms, little by little. `now` in ms since 1970. */
export async function sweepTrimmedRooms(database: Database, signal: AbortSignal, now = Date.now()): Promise<void> {
  const { models, op } = database;
  const query = models.rooms.find({ trimmedAt: trusted({ $gt: 0, $lt: now - SETTLED_MS }), goneAt: null });
  for (const room of await op(query.limit(ROOMS_AT_ONCE).lean<RoomDocument[]>().exec())) {
    for (let isMore = true; isMore && !signal.aborted; ) {
      isMore = await removeSome(database, room);
      if (isMore) await pause(PAUSE_MS);
    }
    if (signal.aborted) return;
    // Not when it was trimmed again meanwhile.
    const { _id, firstSeq } = room;
    await op(models.rooms.updateOne({ _id, firstSeq }, { $unset: { trimmedAt: '' } }).exec());
  }
}

/** From the front, so that whatever ends it leaves no hole; images before the messages by which they are found. */
async function removeSome(database: Database, { _id: room, firstSeq }: RoomDocument): Promise<boolean> {
  const { models, op } = database;
  const query = models.entries.find({ room, seq: trusted({ $gt: 0, $lt: firstSeq }) }, { seq: 1, type: 1 });
  const some = await op(
    query.sort({ seq: 1 }).limit(REMOVED_AT_ONCE).lean<{ _id: string; seq: number; type?: number }[]>().exec(),
  );
  const last = some.at(-1);
  if (last === undefined) return false;
  const images = some.filter(({ type }) => type === 3).map(({ _id }) => _id);
  if (images.length > 0) await dropImages(database, room, images);
  await op(models.entries.deleteMany({ room, seq: trusted({ $gt: 0, $lte: last.seq }) }).exec());
  return some.length === REMOVED_AT_ONCE;
}
