import { createGuest, createRoom, type Guest, joinRoom } from '../../support/rest.ts';
import type { LoadSize } from './load.ts';
import type { Member } from './load-plan.ts';

/** Requests under way at a time. */
const AT_ONCE = 10;

export interface PreparedChat {
  readonly owner: Guest;
  readonly rooms: readonly string[];
  /** In turn, one room each. */
  readonly members: readonly Member[];
}

/** Makes accounts, rooms and memberships over REST, as any set-up offers it. */
export async function prepareChat(
  url: string,
  { clients, rooms: roomCount }: Pick<LoadSize, 'clients' | 'rooms'>,
): Promise<PreparedChat> {
  const owner = await createGuest(url, 'Owner');
  const rooms = await allOf(roomCount, (n) => createRoom(url, owner.token, `Room ${n}`));
  const members = await allOf(clients, async (n) => {
    const room = rooms[n % rooms.length] ?? '';
    const { name, token } = await createGuest(url, `Client ${n}`);
    await joinRoom(url, token, room);
    return { name, token, room };
  });
  return { owner, rooms, members };
}

async function allOf<T>(count: number, make: (n: number) => Promise<T>): Promise<T[]> {
  const made: T[] = [];
  while (made.length < count) {
    const from = made.length;
    made.push(
      ...(await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, n) => make(from + n)))),
    );
  }
  return made;
}
