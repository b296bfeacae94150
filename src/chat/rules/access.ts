import type { Chat } from '../chat.ts';
import { ChatError, noSuchRoom } from '../errors.ts';
import type { Account, Role, RoomId, RoomView, Standing } from '../model.ts';

export const isAdmin = (caller: Account): boolean => caller.roles.includes('admin');

const ROLES_OF_THE_CHAT = ['user', 'admin', 'bot'];

/** Any use of rooms needs a token of role user (or admin, or bot). */
export function assertChatRole(caller: Account): void {
  if (!caller.roles.some((role) => ROLES_OF_THE_CHAT.includes(role))) {
    throw new ChatError('role_required', 'this needs a token of role user');
  }
}

const RANK: Record<Role, number> = { member: 1, moderator: 2, owner: 3 };

/** Admins may what owners may, without being members; so may bots read public rooms only, like users. */
export const hasRank = (view: Standing, caller: Account, least: Role): boolean =>
  isAdmin(caller) || (view.role !== undefined && RANK[view.role] >= RANK[least]);

/** The room as the caller stands to it. A private room that the caller may not see does not exist for them (600). */
export async function seeRoom(chat: Pick<Chat, 'store'>, caller: Account, id: RoomId): Promise<RoomView> {
  assertChatRole(caller);
  const view = await chat.store.viewRoom(id, caller.user);
  assertVisible(view, caller);
  return view;
}

function assertVisible<V extends Standing>(view: V | undefined, caller: Account): asserts view is V {
  if (!view || (view.room.visibility === 'private' && !hasRank(view, caller, 'member'))) throw noSuchRoom();
}

/** As {@link seeRoom}, for what is inside: a ban closes it. */
export async function readRoom(chat: Pick<Chat, 'store'>, caller: Account, id: RoomId): Promise<RoomView> {
  const view = await seeRoom(chat, caller, id);
  assertNotBanned(view, caller);
  return view;
}

export function assertNotBanned(view: Standing, caller: Account): void {
  if (!view.ban || isAdmin(caller)) return;
  const until = view.ban.until === undefined ? '' : ` until ${new Date(view.ban.until).toISOString()}`;
  throw new ChatError('banned', `you are banned from this room${until}`);
}

/** As {@link readRoom}, for what only members may. Asked with every message, so it does without the room's head. */
export async function memberRoom(chat: Pick<Chat, 'store'>, caller: Account, id: RoomId): Promise<Standing> {
  assertChatRole(caller);
  const standing = await chat.store.standing(id, caller.user);
  assertVisible(standing, caller);
  assertNotBanned(standing, caller);
  assertMember(standing);
  return standing;
}

export function assertMember({ role }: Standing): void {
  if (role === undefined) throw new ChatError('not_a_member', 'join the room first');
}

export function assertRank(view: Standing, caller: Account, least: Role): void {
  if (!hasRank(view, caller, least)) {
    throw new ChatError(
      'role_required',
      `only the room's ${least}${least === 'owner' ? '' : 's and owner'} may do this`,
    );
  }
}
