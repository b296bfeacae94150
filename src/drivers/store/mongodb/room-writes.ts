import { setTimeout as pause } from 'node:timers/promises';
import { Types, trusted } from 'mongoose';
import { ChatError } from '../../../chat/errors.ts';
import type { Room, Visibility } from '../../../chat/model.ts';
import type { NewRoom, RoomPatch } from '../../../chat/ports/store.ts';
import { type RoomDocument, type RoomKey, toRoom } from './documents.ts';
import type { Database } from './mongo-connection.ts';
import { requireRoom } from './room-places.ts';
import { finishTurn } from './room-turns.ts';
import { isDuplicate } from './store-failure.ts';

interface Owner {
  readonly user: string;
  readonly name: string;
}

/** The room comes into being with its first turn decided: who sees it without its owner can put that right. */
export async function createRoom(database: Database, room: NewRoom, owner: Owner): Promise<RoomDocument> {
  const { models, op } = database;
  const { visibility, nameKey } = room;
  await requireFreeName(database, { nameKey, visibility, owner: owner.user });
  const standing = { user: owner.user, name: owner.name, role: 'owner', joined: 1, joinedAt: room.createdAt } as const;
  const pending = { at: Date.now(), standings: [{ ...standing, was: null }], changes: [], rev: 0 };
  const document: RoomDocument = {
    _id: new Types.ObjectId(),
    id: room.id,
    name: room.name,
    nameKey,
    topic: room.topic,
    visibility,
    claim: claimOf(visibility, nameKey, owner.user),
    owner: owner.user,
    slowModeMs: 0,
    count: 1,
    firstSeq: 1,
    head: 0,
    epoch: room.epoch,
    rev: 0,
    version: 1,
    createdAt: room.createdAt,
    turn: 1,
    pending,
  };
  await op(models.rooms.insertMany([document], { lean: true })).catch(nameTaken);
  await finishTurn(database, document, pending);
  return document;
}

export async function patchRoom(
  database: Database,
  id: string,
  patch: RoomPatch,
  ifVersion: number | undefined,
): Promise<RoomDocument> {
  const { models, op } = database;
  for (;;) {
    const room = await requireRoom(database, id);
    requireVersion(room, ifVersion);
    const nameKey = patch.nameKey ?? room.nameKey;
    const visibility = patch.visibility ?? room.visibility;
    // Only a change can take a name from somebody: a handed-over room may share one with another of its new owner.
    const isRenamed = nameKey !== room.nameKey || visibility !== room.visibility;
    if (isRenamed) await requireFreeName(database, { nameKey, visibility, owner: room.owner, except: room._id });
    const claim = isRenamed ? claimOf(visibility, nameKey, room.owner) : room.claim;
    const set = {
      name: patch.name ?? room.name,
      nameKey,
      topic: patch.topic ?? room.topic,
      visibility,
      slowModeMs: patch.slowModeMs ?? room.slowModeMs,
      claim,
      version: room.version + 1,
    };
    const { modifiedCount } = await op(
      models.rooms.updateOne({ _id: room._id, version: room.version, goneAt: null }, { $set: set }).exec(),
    ).catch(nameTaken);
    if (modifiedCount === 1) return { ...room, ...set };
  }
}

/** Decided at once; everything that belongs to the room is left to {@link sweepDeletedRooms}. */
export async function deleteRoom(
  database: Database,
  id: string,
  ifVersion: number | undefined,
  headOf: (room: RoomDocument) => Promise<number>,
): Promise<Room> {
  const { models, op } = database;
  for (;;) {
    const room = await requireRoom(database, id);
    requireVersion(room, ifVersion);
    const deleted = toRoom(room, await headOf(room));
    const gone = `gone:${room._id.toHexString()}`;
    const { version, turn } = room;
    const { modifiedCount } = await op(
      models.rooms
        .updateOne(
          { _id: room._id, version, turn, goneAt: null },
          { $set: { goneAt: Date.now(), id: gone, claim: gone } },
        )
        .exec(),
    );
    if (modifiedCount === 1) return deleted;
  }
}

const SWEPT_AT_ONCE = 200;
const SWEEP_PAUSE_MS = 10;
/** What was under way when a room was deleted may still arrive, so it is looked after once more when that is over. */
const LATE_MS = 60_000;

/** Removes what deleted rooms left, little by little. */
export async function sweepDeletedRooms(database: Database, signal: AbortSignal): Promise<void> {
  const { models, op } = database;
  const gone = await op(
    models.rooms
      .find({ goneAt: trusted({ $gt: 0 }) }, { goneAt: 1 })
      .limit(SWEPT_AT_ONCE)
      .lean<{ _id: RoomKey; goneAt: number }[]>()
      .exec(),
  );
  for (const { _id: room, goneAt } of gone) {
    while (!signal.aborted && (await removeAllOf(database, room))) await pause(SWEEP_PAUSE_MS);
    if (signal.aborted) return;
    if (Date.now() - goneAt > LATE_MS) await op(models.rooms.deleteOne({ _id: room }).exec());
  }
}

/** Removes some of all that belongs to a room, which nobody sees any more; false when nothing is left. */
export async function removeAllOf(database: Database, room: RoomKey): Promise<boolean> {
  const { models } = database;
  for (const model of [models.entries, models.standings, models.readMarks, models.imageParts]) {
    if (await sweepSome(database, model, room)) return true;
  }
  return false;
}

/** What the four models have in common for {@link sweepSome}. */
type Swept = Database['models']['entries' | 'standings' | 'readMarks' | 'imageParts'];

async function sweepSome({ op }: Database, model: Swept, room: RoomKey): Promise<boolean> {
  const { collection } = model;
  const some = await op(collection.find({ room }, { projection: { _id: 1 }, limit: SWEPT_AT_ONCE }).toArray());
  if (some.length > 0) await op(collection.deleteMany({ _id: { $in: some.map(({ _id }) => _id) } }));
  return some.length === SWEPT_AT_ONCE;
}

function requireVersion(room: RoomDocument, ifVersion: number | undefined): void {
  if (ifVersion === undefined || ifVersion === room.version) return;
  throw new ChatError('invalid_operation', 'the room was changed meanwhile; read it again', { status: 412 });
}

interface NameClaim {
  readonly nameKey: string;
  readonly visibility: Visibility;
  readonly owner: string;
  readonly except?: RoomKey;
}

/**
 * Public names are unique among public rooms, private ones among the private rooms of their owner. The unique index on
 * the claim decides between those who ask at once; a private room that was handed over has none, and is found here.
 */
async function requireFreeName({ models, op }: Database, claim: NameClaim): Promise<void> {
  const { nameKey, visibility, owner, except } = claim;
  if (visibility === 'public') return;
  const others = except === undefined ? {} : { _id: trusted({ $ne: except }) };
  const taken = await op(models.rooms.exists({ owner, nameKey, visibility, goneAt: null, ...others }).exec());
  if (taken !== null) nameTaken();
}

export const claimOf = (visibility: Visibility, nameKey: string, owner: string): string =>
  visibility === 'public' ? `public:${nameKey}` : `private:${JSON.stringify([owner, nameKey])}`;

/** Of a private room that was handed over or imported, whose owner may have its name in use: nobody else has this one. */
export const noClaim = (room: RoomKey): string => `none:${room.toHexString()}`;

function nameTaken(error?: unknown): never {
  if (error !== undefined && !isDuplicate(error)) throw error;
  throw new ChatError('duplicate', 'the name is taken; choose another');
}
