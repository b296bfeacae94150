import { randomUUID } from 'node:crypto';
import type { Chat } from './chat.ts';
import { ChatError, invalidFields } from './errors.ts';
import type { Account, Room, RoomId, RoomView, Visibility } from './model.ts';
import { newEpoch } from './new-epoch.ts';
import { iso } from './ports/clock.ts';
import type { RoomPatch } from './ports/store.ts';
import { assertChatRole, assertRank, isAdmin, seeRoom } from './rules/access.ts';
import { nameKey, roomName } from './rules/room-name.ts';

export interface RoomInput {
  readonly name: string;
  readonly topic?: string | undefined;
  readonly visibility?: Visibility | undefined;
}

export async function createRoom(chat: Chat, caller: Account, input: RoomInput): Promise<RoomView> {
  assertChatRole(caller);
  const name = roomName(input.name);
  const { limits, settings } = chat;
  const taken = await limits.take(`rooms:${caller.user}`, settings.rooms);
  if (!taken.ok) {
    throw new ChatError('rate_limited', 'too many new rooms; wait a little', { retryAfterMs: taken.retryAfterMs });
  }
  const at = iso(chat.clock.now());
  let room: Room;
  try {
    room = await chat.store.createRoom(
      {
        id: randomUUID(),
        name,
        nameKey: nameKey(name),
        topic: input.topic ?? '',
        visibility: input.visibility ?? 'public',
        epoch: newEpoch(),
        createdAt: at,
      },
      { user: caller.user, name: caller.name },
      settings.maxRooms,
    );
  } catch (cause) {
    if (cause instanceof ChatError && !cause.retry) limits.refund(`rooms:${caller.user}`, settings.rooms);
    throw cause;
  }
  chat.hub.tellAll({ kind: 'joined', user: caller.user, name: caller.name, role: 'owner', room, at });
  chat.hub.tellAll({ kind: 'room', room, was: 'new' });
  return { room, role: 'owner' };
}

/** Name and visibility are the owner's, topic and slow mode the moderators' too. `ifVersion` is the version the caller saw. */
export async function patchRoom(
  chat: Chat,
  caller: Account,
  id: RoomId,
  input: { [K in 'name' | 'topic' | 'visibility' | 'slowModeMs']?: Room[K] | undefined },
  ifVersion?: number,
): Promise<RoomView> {
  const view = await seeRoom(chat, caller, id);
  const ownersOnly = input.name !== undefined || input.visibility !== undefined;
  assertRank(view, caller, ownersOnly ? 'owner' : 'moderator');
  const name = input.name === undefined ? undefined : roomName(input.name);
  const patch: RoomPatch = {
    ...(name === undefined ? {} : { name, nameKey: nameKey(name) }),
    ...(input.topic === undefined ? {} : { topic: input.topic }),
    ...(input.visibility === undefined ? {} : { visibility: input.visibility }),
    ...(input.slowModeMs === undefined ? {} : { slowModeMs: input.slowModeMs }),
  };
  const room = await chat.store.patchRoom(id, patch, ifVersion);
  chat.hub.tellAll({ kind: 'room', room, was: view.room.visibility });
  return { ...view, room };
}

export async function deleteRoom(chat: Chat, caller: Account, id: RoomId, ifVersion?: number): Promise<void> {
  assertRank(await seeRoom(chat, caller, id), caller, 'owner');
  const room = await chat.store.deleteRoom(id, ifVersion);
  chat.hub.tellAll({ kind: 'deleted', room });
}

export interface RoomListQuery {
  readonly q?: string | undefined;
  readonly mine?: boolean | undefined;
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

const LIST_DEFAULT = 50;
export const LIST_MAX = 200;

type Scope = 'mine' | 'others';
type ListCursor = [scope: Scope, nameKey: string, id: RoomId];

const encodeCursor = (cursor: ListCursor): string => Buffer.from(JSON.stringify(cursor)).toString('base64url');

/** No store takes other texts. */
const isStorable = (part: unknown): boolean => typeof part === 'string' && part.isWellFormed() && !part.includes('\0');

function decodeCursor(text: string): ListCursor {
  try {
    const it: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
    if (Array.isArray(it) && it.length === 3 && it.every(isStorable)) {
      const [scope, key, id] = it as [string, string, string];
      if (scope === 'mine' || scope === 'others') return [scope, key, id];
    }
  } catch {
    // No JSON: refused below, like any other cursor that is not ours.
  }
  throw invalidFields('the cursor must be one that a page of rooms gave', 'cursor');
}

export interface RoomPage {
  readonly rooms: RoomView[];
  /** Where the list goes on. */
  readonly next?: string;
}

/** The caller's own rooms first, then the rest one may see; each part by name. */
export async function listRooms(chat: Chat, caller: Account, query: RoomListQuery): Promise<RoomPage> {
  assertChatRole(caller);
  const limit = Math.min(query.limit ?? LIST_DEFAULT, LIST_MAX);
  const start = query.cursor === undefined ? undefined : decodeCursor(query.cursor);
  const scopes: Scope[] = query.mine ? ['mine'] : ['mine', 'others'];
  // Starting over instead would let a client that turns pages go round for ever.
  if (start && !scopes.includes(start[0])) throw invalidFields('the cursor is of another list than mine', 'cursor');
  const rooms: RoomView[] = [];
  for (const scope of scopes.slice(start ? scopes.indexOf(start[0]) : 0)) {
    const left = limit + 1 - rooms.length;
    if (left <= 0) break;
    rooms.push(
      ...(await chat.store.listRooms({
        user: caller.user,
        scope,
        all: isAdmin(caller),
        limit: left,
        ...(query.q ? { q: nameKey(query.q) } : {}),
        ...(start && start[0] === scope ? { after: { nameKey: start[1], id: start[2] } } : {}),
      })),
    );
  }
  return toPage(rooms, limit);
}

/** `rooms`, where there are more, holds one too many. */
function toPage(rooms: readonly RoomView[], limit: number): RoomPage {
  const page = rooms.slice(0, limit);
  const last = page.at(-1);
  if (!last || rooms.length <= limit) return { rooms: page };
  return {
    rooms: page,
    next: encodeCursor([last.role === undefined ? 'others' : 'mine', nameKey(last.room.name), last.room.id]),
  };
}

/** A user that nobody is: how a public room looks to those who are not in it. */
const NOBODY = '';

export interface RoomsOnConnect extends RoomPage {
  /** All rooms the caller is a member of, those beyond the page too. */
  readonly own: readonly RoomId[];
}

/**
 * What {@link listRooms} answers on its first page with {@link LIST_MAX} rooms, at the price of one read per caller: those
 * who connect at the same time share the list of public rooms, which is read once as nobody in particular.
 */
export async function listOnConnect(chat: Pick<Chat, 'store'>, caller: Account): Promise<RoomsOnConnect> {
  assertChatRole(caller);
  const { store } = chat;
  const all = isAdmin(caller);
  const limit = LIST_MAX + 1;
  const [mine, others] = await Promise.all([
    store.listRooms({ user: caller.user, scope: 'mine', all, limit }),
    store.listRooms({ user: all ? caller.user : NOBODY, scope: 'others', all, limit }),
  ]);
  const own = new Set(mine.map(({ room }) => room.id));
  // As many others as the page can take are among as many public ones: at most those that are the caller's own fall out.
  const rooms = [...mine, ...others.filter(({ room }) => !own.has(room.id))].slice(0, limit);
  return {
    ...toPage(rooms, LIST_MAX),
    own: mine.length <= LIST_MAX ? [...own] : await store.roomIdsOf(caller.user),
  };
}
