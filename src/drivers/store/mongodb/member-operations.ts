import { ChatError } from '../../../chat/errors.ts';
import type { Ban, Role } from '../../../chat/model.ts';
import type { Joined, Left } from '../../../chat/ports/store.ts';
import type { RoomDocument, StandingDocument } from './documents.ts';
import type { Operation } from './room-turns.ts';
import { noClaim } from './room-writes.ts';
import type { Turn } from './turn.ts';

interface NewMember {
  readonly user: string;
  readonly name: string;
  readonly at: string;
  readonly role: Role;
}

/** `hasRoomToSpare`: whether the user may be a member of one more room. */
export const addMember = (
  member: NewMember,
  hasRoomToSpare: boolean,
  maxRooms: number,
): Operation<Omit<Joined, 'headSeq'>> => ({
  user: member.user,
  run: (turn) => {
    const known = turn.standing(member.user);
    const { count } = turn.room;
    if (known?.role !== undefined) return { added: false, role: known.role, count };
    if (isBanned(known?.ban)) throw new ChatError('banned', 'you are banned from this room');
    if (!hasRoomToSpare) throw tooManyRooms(maxRooms);
    const role = count === 0 ? 'owner' : member.role;
    if (role === 'owner' && count > 0) throw onlyHandedOver();
    turn.setStanding({
      ...onlyBan(known),
      user: member.user,
      name: member.name,
      role,
      joined: turn.nextJoined(),
      joinedAt: member.at,
    });
    turn.setRoom({ count: count + 1 });
    if (role === 'owner') recordOwner(turn, member.user);
    return { added: true, role, count: count + 1 };
  },
});

export const setRole = (user: string, role: Role): Operation<RoomDocument> => ({
  user,
  run: async (turn) => {
    const known = turn.standing(user);
    if (known?.role === undefined) throw new ChatError('not_a_member', 'this user is not a member', { status: 404 });
    if (known.role === role) return turn.room;
    if (known.role === 'owner') throw onlyHandedOver();
    if (role === 'owner') {
      const owner = await turn.load(turn.room.owner);
      if (owner?.role !== undefined) turn.setStanding({ ...owner, role: 'moderator' });
      recordOwner(turn, user);
    }
    turn.setStanding({ ...known, role });
    return turn.room;
  },
});

export const removeMember = (user: string): Operation<Left> => ({ user, run: (turn) => remove(turn, user) });

export const ban = ({ user, until, reason, by, at }: Ban & { by: string; at: string }): Operation<Left> => ({
  user,
  run: async (turn) => {
    const ban = { until: until ?? null, by, at, ...(reason !== undefined && { reason }) };
    turn.setStanding({ ...turn.standing(user), user, ban });
    return remove(turn, user);
  },
});

export const unban = (user: string): Operation<void> => ({
  user,
  run: (turn) => {
    const known = turn.standing(user);
    if (known?.ban === undefined) return;
    const { ban: _ban, ...rest } = known;
    turn.setStanding(rest);
  },
});

export const tooManyRooms = (maxRooms: number): ChatError =>
  new ChatError('invalid_operation', `a user may be a member of ${maxRooms} rooms at most; leave one first`);

export const isBanned = (ban: StandingDocument['ban']): boolean =>
  ban !== undefined && (ban.until === null || ban.until > Date.now());

async function remove(turn: Turn, user: string): Promise<Left> {
  const known = turn.standing(user);
  const { count } = turn.room;
  if (known?.role === undefined) return { removed: false, name: '', count };
  turn.setStanding({ ...onlyBan(known), user });
  turn.setRoom({ count: count - 1 });
  const left = { removed: true, name: known.name ?? '', count: count - 1 };
  if (known.role !== 'owner') return left;
  const oldest = await turn.oldestMember();
  if (oldest === undefined) return left;
  turn.setStanding({ ...oldest, role: 'owner' });
  recordOwner(turn, oldest.user);
  return { ...left, newOwner: oldest.user };
}

/** The last owner of an empty room comes back to an unchanged room. */
function recordOwner(turn: Turn, owner: string): void {
  const { room } = turn;
  if (room.owner === owner) return;
  turn.setRoom({
    owner,
    version: room.version + 1,
    ...(room.visibility === 'private' && { claim: noClaim(turn.key) }),
  });
}

const onlyBan = (known: Pick<StandingDocument, 'ban'> | undefined) =>
  known?.ban === undefined ? {} : { ban: known.ban };

const onlyHandedOver = (): ChatError =>
  new ChatError('invalid_operation', 'a room has one owner, who hands it over to another member');
