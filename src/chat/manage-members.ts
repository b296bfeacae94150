import type { Chat } from './chat.ts';
import { ChatError, invalidFields, noSuchRoom } from './errors.ts';
import type { Account, Member, Role, Room, RoomId, UserId } from './model.ts';
import type { LeaveReason } from './ports/bus.ts';
import { iso } from './ports/clock.ts';
import type { Left } from './ports/store.ts';
import { assertNotBanned, assertRank, readRoom, seeRoom } from './rules/access.ts';

export interface JoinedRoom {
  readonly room: Room;
  readonly role: Role;
  /** False when the caller was a member already. */
  readonly added: boolean;
}

export async function joinRoom(chat: Chat, caller: Account, id: RoomId): Promise<JoinedRoom> {
  const view = await seeRoom(chat, caller, id);
  assertNotBanned(view, caller);
  if (view.role !== undefined) return { room: view.room, role: view.role, added: false };
  return add(chat, view.room, caller.user, caller.name, 'member');
}

/** A moderator adds somebody, or the owner gives a role: moderator, member, or owner (hands the room over). */
export async function putMember(
  chat: Chat,
  caller: Account,
  id: RoomId,
  user: UserId,
  input: { role?: Role | undefined; name?: string | undefined },
): Promise<{ added: boolean; role: Role }> {
  const view = await seeRoom(chat, caller, id);
  assertRank(view, caller, input.role === undefined || input.role === 'member' ? 'moderator' : 'owner');
  const { role: target, ban } = (await chat.store.standing(id, user)) ?? {};
  if (target === undefined) {
    if (ban) throw new ChatError('banned', 'this user is banned from the room; lift the ban first');
    if (input.role === 'owner') throw new ChatError('not_a_member', 'only a member can own the room', { status: 404 });
    const { added, role } = await add(chat, view.room, user, input.name ?? user, input.role ?? 'member');
    return { added, role };
  }
  if (input.role === undefined || input.role === target) return { added: false, role: target };
  assertRank(view, caller, 'owner');
  if (target === 'owner') throw new ChatError('invalid_operation', 'make another member the owner instead');
  const room = await chat.store.setRole(id, user, input.role);
  // Handing over changes the room for all; any other role concerns the one who has it.
  if (input.role === 'owner') {
    chat.hub.tellAll({ kind: 'room', room, was: room.visibility });
    chat.hub.tellAll({ kind: 'role', room, user: view.room.owner, role: 'moderator' });
  }
  chat.hub.tellAll({ kind: 'role', room, user, role: input.role });
  return { added: false, role: input.role };
}

async function add(chat: Chat, room: Room, user: UserId, name: string, role: Role): Promise<JoinedRoom> {
  const at = iso(chat.clock.now());
  const joined = await chat.store.addMember(room.id, { user, name, at, role }, chat.settings.maxRooms);
  const now: Room = {
    ...room,
    count: joined.count,
    headSeq: joined.headSeq,
    owner: joined.role === 'owner' ? user : room.owner,
  };
  if (joined.added) chat.hub.tellAll({ kind: 'joined', user, name, role: joined.role, room: now, at });
  return { room: now, role: joined.role, added: joined.added };
}

export async function leaveRoom(chat: Chat, caller: Account, id: RoomId): Promise<void> {
  await seeRoom(chat, caller, id);
  const left = await chat.store.removeMember(id, caller.user);
  if (!left.removed) throw new ChatError('not_a_member', 'you are not a member of this room', { status: 404 });
  await tellLeft(chat, id, caller.user, left, 'left');
}

/** Moderators remove members, only the owner removes moderators, nobody removes the owner. */
export async function removeMember(chat: Chat, caller: Account, id: RoomId, user: UserId): Promise<void> {
  if (user === caller.user) return leaveRoom(chat, caller, id);
  await assertMayRemove(chat, caller, id, user);
  const left = await chat.store.removeMember(id, user);
  if (!left.removed) throw new ChatError('not_a_member', 'this user is not a member of the room', { status: 404 });
  await tellLeft(chat, id, user, left, 'removed');
}

export async function banUser(
  chat: Chat,
  caller: Account,
  id: RoomId,
  user: UserId,
  input: { until?: string | undefined; reason?: string | undefined },
): Promise<void> {
  if (user === caller.user) throw new ChatError('invalid_operation', 'you cannot ban yourself');
  await assertMayRemove(chat, caller, id, user);
  const now = chat.clock.now();
  const until = input.until === undefined ? undefined : Date.parse(input.until);
  if (until !== undefined && until <= now) throw invalidFields('until must lie in the future', 'until');
  const left = await chat.store.ban(id, {
    user,
    by: caller.user,
    at: iso(now),
    ...(until === undefined ? {} : { until }),
    ...(input.reason === undefined ? {} : { reason: input.reason }),
  });
  // Told even when the user was no member: a reader's sockets of a public room are cut off by it.
  await tellLeft(chat, id, user, left, 'banned');
}

export async function unbanUser(chat: Chat, caller: Account, id: RoomId, user: UserId): Promise<void> {
  assertRank(await seeRoom(chat, caller, id), caller, 'moderator');
  await chat.store.unban(id, user);
}

async function assertMayRemove(chat: Chat, caller: Account, id: RoomId, user: UserId): Promise<void> {
  const view = await seeRoom(chat, caller, id);
  assertRank(view, caller, 'moderator');
  const target = await chat.store.standing(id, user);
  if (!target) throw noSuchRoom();
  if (target.role === 'owner') throw new ChatError('role_required', 'the owner cannot be removed');
  if (target.role === 'moderator') assertRank(view, caller, 'owner');
}

async function tellLeft(chat: Chat, chatroom: RoomId, user: UserId, left: Left, reason: LeaveReason): Promise<void> {
  const at = iso(chat.clock.now());
  const { removed, name, count, newOwner } = left;
  chat.hub.tellAll({ kind: 'left', user, name, chatroom, count, at, reason, wasMember: removed });
  if (newOwner === undefined) return;
  try {
    const view = await chat.store.viewRoom(chatroom, newOwner);
    if (!view) return;
    chat.hub.tellAll({ kind: 'room', room: view.room, was: view.room.visibility });
    chat.hub.tellAll({ kind: 'role', room: view.room, user: newOwner, role: 'owner' });
  } catch (cause) {
    // The leaving is done and must not be answered as failed.
    chat.log.warn('a new owner could not be told', { room: chatroom, cause });
  }
}

export interface MemberView extends Member {
  readonly online: boolean;
}

export async function listMembers(chat: Chat, caller: Account, id: RoomId): Promise<MemberView[]> {
  await readRoom(chat, caller, id);
  return (await membersOf(chat, id)).users;
}

/** Members with their presence; one read of each part. */
export async function membersOf(chat: Chat, id: RoomId): Promise<{ users: MemberView[]; stale: boolean }> {
  const members = await chat.store.members(id);
  const online = await chat.presence.online(members.map((it) => it.user));
  return { users: members.map((it) => ({ ...it, online: online.users.has(it.user) })), stale: online.stale };
}

export async function readPresence(
  chat: Chat,
  caller: Account,
  id: RoomId,
  withUsers: boolean,
): Promise<{ count: number; users?: MemberView[]; stale?: true }> {
  await readRoom(chat, caller, id);
  const { users, stale } = await membersOf(chat, id);
  const here = users.filter((it) => it.online);
  return { count: here.length, ...(withUsers ? { users: here } : {}), ...(stale ? { stale } : {}) };
}
