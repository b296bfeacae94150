import type { Chat } from '../chat/chat.ts';
import { ChatError } from '../chat/errors.ts';
import type { RoomId, UserId } from '../chat/model.ts';
import { presentRoomPush } from '../chat/present-room.ts';
import { readRoom } from '../chat/rules/access.ts';
import type { Session } from './session.ts';
import type { Sessions } from './sessions.ts';

/** Users that are looked after between two looks at everything else this process has to do. */
const USERS_AT_ONCE = 50;

/**
 * Events of memberships may have been lost: a node died between storing and telling, or one of the two was stuck. Each
 * session follows the rooms that the store says, and no others; who was removed must not go on reading. May be repeated.
 */
export async function reconcileSessions(chat: Chat, sessions: Sessions): Promise<void> {
  const users = new Set([...sessions.all()].map((it) => it.account.user));
  let done = 0;
  for (const user of users) {
    await reconcileUser(chat, sessions, user);
    done += 1;
    if (done % USERS_AT_ONCE === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

async function reconcileUser(chat: Chat, sessions: Sessions, user: UserId): Promise<void> {
  const before = [...sessions.of(user)].map((session) => ({ session, rooms: session.rooms }));
  const listed = new Set(await chat.store.roomIdsOf(user));
  for (const { session, rooms } of before) {
    // What was entered since was heard of: the list may be older.
    for (const room of rooms) if (!listed.has(room) && session.isMember(room)) await leave(chat, session, room);
    for (const room of listed) if (!session.isMember(room)) await enter(chat, session, room);
    await reconcileReading(chat, session);
  }
}

async function leave(chat: Chat, session: Session, room: RoomId): Promise<void> {
  const view = await chat.store.standing(room, session.account.user);
  if (view?.role !== undefined) return; // a member again
  session.exit(room);
  const reason = view === undefined ? 'deleted' : view.ban ? 'banned' : 'removed';
  session.socket.emit('removed', { chatroom: room, reason });
}

async function enter(chat: Chat, session: Session, room: RoomId): Promise<void> {
  try {
    const feed = await session.enterAsMember(room);
    const view = await chat.store.viewRoom(room, session.account.user);
    if (!view) return;
    const now = { ...view.room, headSeq: feed.headSeq, rev: feed.rev };
    session.socket.emit('chatroom', presentRoomPush(now, view.role !== undefined, view.role));
  } catch (cause) {
    if (isRefusal(cause)) return; // the socket, the room or the membership is gone by now
    throw cause;
  }
}

async function reconcileReading(chat: Chat, session: Session): Promise<void> {
  const room = session.reading;
  if (room === undefined) return;
  try {
    await readRoom(chat, session.account, room);
  } catch (cause) {
    if (!isRefusal(cause)) throw cause;
    if (session.reading === room) session.stopReading();
    session.socket.emit('removed', { chatroom: room, reason: 'removed' });
  }
}

const isRefusal = (cause: unknown): boolean => cause instanceof ChatError && !cause.retry && cause.code !== 'internal';
