import { EmbeddedAccounts } from '../../src/drivers/accounts/embedded/embedded-accounts.ts';
import { SqliteWriter } from '../../src/drivers/store/sqlite/sqlite-writer.ts';

export interface PreparedUser {
  readonly user: string;
  readonly name: string;
  readonly token: string;
  /** Of the rooms of the folder, those that the user is a member of. */
  readonly rooms: readonly string[];
}

export interface PreparedFolder {
  readonly rooms: readonly string[];
  /** Owns every room and is a member of all of them. */
  readonly owner: PreparedUser;
  readonly users: readonly PreparedUser[];
}

const LIFETIME_MS = 3_600_000;
const MANY_ROOMS = 1_000_000;

/**
 * Fills a data folder before its server starts: what takes a server thousands of requests is two seconds here.
 * User `n` becomes a member of the rooms that `roomsOf` names by their numbers.
 */
export async function prepareFolder(
  dir: string,
  { rooms: roomCount, users: userCount }: { readonly rooms: number; readonly users: number },
  roomsOf: (user: number) => readonly number[],
): Promise<PreparedFolder> {
  const writer = await SqliteWriter.open(dir);
  try {
    const accounts = await EmbeddedAccounts.open(dir);
    const at = new Date().toISOString();
    const issue = async (name: string, rooms: readonly string[]): Promise<PreparedUser> => {
      const { user, token } = await accounts.issue({ name, type: 1, roles: ['user'], lifetimeMs: LIFETIME_MS });
      return { user, name, token, rooms };
    };
    const rooms = Array.from({ length: roomCount }, (_, n) => `herd-room-${n}`);
    const owner = await issue('Owner', rooms);
    for (const [n, id] of rooms.entries()) {
      const room = { id, name: `Room ${n}`, nameKey: `room ${n}`, topic: '', visibility: 'public' as const };
      const args = [{ ...room, epoch: `epoch-${n}`, createdAt: at }, owner, MANY_ROOMS] as const;
      await writer.submit({ name: 'createRoom', args: [...args] });
    }
    const users = await Promise.all(
      Array.from({ length: userCount }, (_, n) =>
        issue(
          `User ${n}`,
          roomsOf(n).flatMap((it) => rooms[it] ?? []),
        ),
      ),
    );
    await Promise.all(
      users.flatMap(({ user, name, rooms: own }) =>
        own.map((room) =>
          writer.submit({ name: 'addMember', args: [room, { user, name, at, role: 'member' }, MANY_ROOMS] }),
        ),
      ),
    );
    return { rooms, owner, users };
  } finally {
    await writer.close();
  }
}
