import type { RoomId } from '../chat/model.ts';
import type { Archive, ArchivedMessage } from '../chat/ports/archive.ts';
import { messageLine, type RoomLine } from './archive-line.ts';

const ROOMS_AT_ONCE = 100;
/** With pictures of half a megabyte each, still a few tens of them in memory. */
const MESSAGES_AT_ONCE = 50;

export interface Exported {
  rooms: number;
  messages: number;
}

/** The lines of an archive of those rooms, or of all, as objects; `exported` counts along. Throws for an unknown room. */
export async function* exportRooms(
  archive: Archive,
  rooms: readonly RoomId[] | undefined,
  exported: Exported,
): AsyncGenerator<object> {
  for await (const id of rooms ?? allRooms(archive)) {
    const isThere = yield* exportRoom(archive, id, exported);
    if (!isThere && rooms !== undefined) throw new Error(`there is no room ${id}`);
  }
}

async function* allRooms(archive: Archive): AsyncGenerator<RoomId> {
  for (let page = await archive.roomIds(ROOMS_AT_ONCE); page.length > 0; ) {
    yield* page;
    page = await archive.roomIds(ROOMS_AT_ONCE, page.at(-1));
  }
}

/** As the room stood when this began; what is edited meanwhile may be in it or not. False when there is no such room. */
async function* exportRoom(archive: Archive, id: RoomId, exported: Exported): AsyncGenerator<object, boolean> {
  const room = await archive.room(id);
  if (room === undefined) return false;
  const [members, bans] = [await archive.members(id), await archive.bans(id)];
  const { nameKey: _nameKey, version, ...rest } = room;
  // It may be handed over between the two reads.
  const owner = members.find((it) => it.role === 'owner')?.user ?? room.owner;
  const counts = { members: members.length, bans: bans.length };
  yield { kind: 'room', version: 1, ...rest, owner, roomVersion: version, ...counts } satisfies RoomLine;
  for (const it of members) yield { kind: 'member', ...it };
  for (const it of bans) yield { kind: 'ban', ...it };
  for (let next = room.firstSeq; next <= room.headSeq; ) {
    const page = await archive.messages(id, next, Math.min(MESSAGES_AT_ONCE, room.headSeq - next + 1));
    for (const it of page) {
      // The beginning may have been trimmed since, the middle never is.
      if (it.seq !== next && next !== room.firstSeq) throw new Error(`the room ${id} has changed too much meanwhile`);
      next = it.seq + 1;
      yield messageLine(await asItIs(archive, id, it));
      exported.messages += 1;
    }
    if (page.length === 0) throw new Error(`the room ${id} was emptied or deleted meanwhile; export it again`);
  }
  exported.rooms += 1;
  return true;
}

/** A message and its picture are read one after the other: who deletes it in between leaves a picture without bytes. */
async function asItIs(archive: Archive, room: RoomId, message: ArchivedMessage): Promise<ArchivedMessage> {
  if (message.type !== 3 || message.deleted || message.image) return message;
  const [again] = await archive.messages(room, message.seq, 1);
  if (again?.seq === message.seq) return again;
  throw new Error(`the beginning of room ${room} was trimmed meanwhile; export it again`);
}
