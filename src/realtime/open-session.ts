import { answerInTime } from '../chat/answer-in-time.ts';
import { authenticate } from '../chat/authenticate.ts';
import type { Chat } from '../chat/chat.ts';
import { ChatError } from '../chat/errors.ts';
import { listOnConnect } from '../chat/manage-rooms.ts';
import type { RoomView } from '../chat/model.ts';
import { assertChatRole } from '../chat/rules/access.ts';
import { handshake } from '../wire/socket.ts';
import { Session } from './session.ts';
import type { Sessions } from './sessions.ts';
import type { ChatSocket } from './socket-types.ts';

export interface OpenedSession {
  readonly session: Session;
  /** The user's own rooms, then others one may see, a page of them in all at most. */
  readonly visible: readonly RoomView[];
  /** Where the list goes on. */
  readonly next?: string;
  /** The client wants them as one event. */
  readonly batch: boolean;
}

const BEARER = /^Bearer +(\S+)$/i;

/** From `auth.token` or the Authorization header; never from the URL unless old clients are allowed. */
function tokenOf(socket: ChatSocket, allowQueryToken: boolean): { token: string | undefined; batch: boolean } {
  const parsed = handshake.safeParse(socket.handshake.auth);
  if (!parsed.success) throw new ChatError('invalid_token', 'auth must be { token } with a text');
  const { token, batch = false } = parsed.data;
  const fromHeader = BEARER.exec(socket.handshake.headers.authorization ?? '')?.[1];
  const fromQuery = socket.handshake.query.token;
  if (token === undefined && fromHeader === undefined && fromQuery !== undefined) {
    if (allowQueryToken && typeof fromQuery === 'string') return { token: fromQuery, batch };
    throw new ChatError('invalid_token', 'tokens in the URL are refused, they end up in logs; send auth.token');
  }
  return { token: token ?? fromHeader, batch };
}

/** Lets a socket in: who it is, and all its rooms followed, before the client is told that it is connected. */
export async function openSession(
  chat: Chat,
  sessions: Sessions,
  socket: ChatSocket,
  allowQueryToken: boolean,
  watchToken: (session: Session, token: string) => void,
): Promise<OpenedSession> {
  const { token, batch } = tokenOf(socket, allowQueryToken);
  const startedAt = performance.now();
  const account = await answerInTime(authenticate(chat, token));
  assertChatRole(account);
  const session = new Session(chat, socket, account);
  // Known before its rooms are read: a join or leave in between reaches it.
  sessions.add(session);
  socket.conn.once('close', () => closeSession(sessions, session));
  try {
    // Gone while the token was checked: its `close` was before.
    if (socket.conn.readyState !== 'open') throw new ChatError('not_connected', 'the connection is gone');
    // In one turn with its check: a revocation that comes while the rooms are read finds it.
    watchToken(session, token ?? '');
    const { rooms: visible, next } = await answerInTime(enterRooms(chat, session), performance.now() - startedAt);
    return { session, visible, ...(next === undefined ? {} : { next }), batch };
  } catch (cause) {
    closeSession(sessions, session);
    throw cause;
  }
}

async function enterRooms(chat: Chat, session: Session): ReturnType<typeof listOnConnect> {
  const { account } = session;
  const listed = await listOnConnect(chat, account);
  const followed = listed.own.every((room) => chat.hub.feeds.get(room));
  await session.enterListed(listed.own);
  // Opening feeds took a while, and what changed of the rooms meanwhile was told to those who were connected.
  return followed ? listed : listOnConnect(chat, account);
}

/** Gives back all a connection held; any number of times. */
export function closeSession(sessions: Sessions, session: Session): void {
  if (session.closed) return;
  sessions.remove(session); // before its rooms go: they are told of its leaving
  session.close();
}
