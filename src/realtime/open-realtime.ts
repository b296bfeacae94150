import type { Server as HttpServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Server } from 'socket.io';
import type { Chat } from '../chat/chat.ts';
import { ChatError, ERRORS, type ErrorCode } from '../chat/errors.ts';
import { oneAtATime } from '../chat/one-at-a-time.ts';
import { iso } from '../chat/ports/clock.ts';
import { presentRoomPush } from '../chat/present-room.ts';
import { TokenWatch } from '../chat/token-watch.ts';
import { Typing } from '../chat/typing.ts';
import { waitUntil } from '../platform/wait-until.ts';
import { NAMESPACE } from '../wire/socket.ts';
import { Admission } from './admission.ts';
import { applyNodeEvent } from './apply-node-event.ts';
import { closeConnection, endSoonAfterClose } from './close-connection.ts';
import { dispatchEvent, failedAck, toChatError } from './dispatch-event.ts';
import type { EventContext } from './event-context.ts';
import { closeSession, type OpenedSession, openSession } from './open-session.ts';
import { originAllowed } from './origin.ts';
import { reconcileSessions } from './reconcile-sessions.ts';
import { RoomWriter } from './room-writer.ts';
import type { Session } from './session.ts';
import { sessionId } from './session-router.ts';
import { Sessions } from './sessions.ts';
import * as rooms from './socket-rooms.ts';
import type { ChatNamespace, ChatServer, ChatSocket, Connection } from './socket-types.ts';
import { StatusWriter } from './status-writer.ts';
import { turnAway } from './turn-away.ts';
import { UnreadGuard, type UnreadLimits } from './unread-guard.ts';

export interface RealtimeOptions {
  readonly chat: Chat;
  /** This worker's name. */
  readonly worker: string;
  readonly corsOrigin: '*' | readonly string[];
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
  readonly maxPayloadBytes: number;
  readonly unread: UnreadLimits;
  /** Sockets that are let in at a time; see {@link Admission}. */
  readonly maxHandshakes: number;
  readonly allowQueryToken: boolean;
  readonly allowEio3: boolean;
  readonly revalidateMs: number;
  /** A connection that does not say who it is within this is closed; 10 s when absent. */
  readonly connectMs?: number;
  /** The message rate as it is configured, e.g. `20/10s`. */
  readonly rateText: string;
  readonly observe: {
    delivered(sockets: number): void;
    connected(change: 1 | -1): void;
    event(event: string, code: ErrorCode | 'ok'): void;
    slowConsumerCut(): void;
  };
}

export interface Realtime {
  /**
   * Tells every client to go elsewhere, spread over `windowMs`, and closes the connections, the newest first. Who polls may
   * take a second to hear it; `endsAt`, monotonic, is when that must be over.
   */
  drain(windowMs: number, endsAt: number): Promise<void>;
  close(): void;
}

/** Of those who leave, some at a time. */
const DRAIN_STEP_MS = 10;
/** For the next polls of those who were sent away last: only there they hear it. */
const LAST_POLLS_MS = 1000;
/** A socket that does not say what it wants within this is closed. */
const CONNECT_MS = 10_000;
/** Engine.IO 3 is what clients of Socket.IO 2 speak. */
const SPEAKS_EIO4 = /[?&]EIO=4(?:&|$)/;
/** A client whose token ran out may renew it within this. */
const EXPIRED_GRACE_MS = 5000;

/** The Socket.IO edge: puts itself on `server`. */
export function openRealtime(server: HttpServer, options: RealtimeOptions): Realtime {
  const { chat, observe, worker, connectMs = CONNECT_MS } = options;
  let draining = false;
  const listeners = server.listeners('close');
  const io: ChatServer = new Server(server, {
    cors: { origin: options.corsOrigin === '*' ? '*' : [...options.corsOrigin] },
    allowRequest: (request, decide) => {
      if (!originAllowed(request, options.corsOrigin)) decide('pages of this origin may not connect', false);
      else if (request.method !== 'GET' && request.method !== 'POST') decide('polls are GET and POST', false);
      else if (request.headers.upgrade && !options.allowEio3 && !SPEAKS_EIO4.test(request.url ?? '')) {
        // Engine.IO itself says so only once the upgrade is done, where no client can read it.
        decide('clients of Socket.IO 2 are not served; use Socket.IO 3 or 4', false);
      } else decide(null, true);
    },
    pingInterval: options.pingIntervalMs,
    pingTimeout: options.pingTimeoutMs,
    connectTimeout: connectMs,
    maxHttpBufferSize: options.maxPayloadBytes,
    allowEIO3: options.allowEio3,
    perMessageDeflate: false,
    serveClient: false,
  });
  // Engine.IO cuts its clients when the server closes, and that counts only connections that it has accepted itself: once
  // it listens no more, those that were handed over would be cut as soon as the last one of its own is gone.
  for (const it of server.listeners('close')) if (!listeners.includes(it)) server.off('close', it as () => void);
  const admission = new Admission(options.maxHandshakes);
  turnAway(io, () => draining || admission.isFull);
  io.engine.generateId = () => sessionId(worker);
  const connections = new Set<Connection>();
  io.engine.on('connection', (conn: Connection) => {
    connections.add(conn);
    conn.once('close', () => connections.delete(conn));
    endSoonAfterClose(conn);
  });
  const seats = new WeakSet<Connection>();
  guardRootNamespace(io, connectMs, (conn) => seats.has(conn));
  const namespace: ChatNamespace = io.of(NAMESPACE);
  const sessions = new Sessions(chat);
  const tokens = new TokenWatch(chat, options.revalidateMs);
  const writer = new RoomWriter(namespace, observe.delivered);
  const statuses = new StatusWriter(namespace);
  const context: EventContext = { chat, typing: new Typing(chat), renewToken, flush: () => writer.flush() };

  chat.hub.listen({
    onRoom: (room, event) => writer.write(room, event),
    onNode: (event) => applyNodeEvent({ chat, namespace, sessions, tokens, statuses }, event),
  });
  chat.hub.onSuspect(
    oneAtATime(
      chat.clock,
      () => reconcileSessions(chat, sessions),
      (cause) => chat.log.warn('memberships could not be compared; trying again', { cause }),
    ),
  );
  chat.presence.onGone((users) => {
    for (const user of users) void tellGone(chat, statuses, user);
  });

  const opened = new WeakMap<ChatSocket, OpenedSession>();
  namespace.use((socket, next) => {
    const { conn } = socket;
    // Closed and not refused: a refused client does not come back by itself.
    if (draining) return closeConnection(conn);
    const refuse = (cause: unknown): void => next(connectError(chat, cause));
    if (seats.has(conn)) return refuse(new ChatError('invalid_operation', 'this connection has its session already'));
    seats.add(conn);
    const admitted = admission.take(async () => {
      if (conn.readyState !== 'open') return; // it has not waited
      try {
        opened.set(socket, await openSession(chat, sessions, socket, options.allowQueryToken, watchToken));
        next();
      } catch (cause) {
        seats.delete(conn);
        refuse(cause);
      }
    });
    if (!admitted) closeConnection(conn);
  });
  namespace.on('connection', (socket) => {
    const found = opened.get(socket);
    if (!found || draining) return closeConnection(socket.conn);
    const { session, visible, next, batch } = found;
    observe.connected(1);
    void socket.join(rooms.user(session.account.user));
    socket.onAny((event: unknown, ...args: unknown[]) => {
      // The protocol allows numbers as names.
      void dispatchEvent(context, session, String(event), args, observe.event);
    });
    socket.once('disconnect', () => {
      observe.connected(-1);
      closeSession(sessions, session);
      // Whoever leaves the only namespace has no business here: Engine.IO alone would keep the connection for ever.
      closeConnection(socket.conn);
    });
    guard.watch(session);
    tellWho(session, session.expired);
    // In one turn with the feeds as they stand: the next live message of each room is headSeq + 1.
    writer.flush();
    const pushes = visible.map(({ room, role }) => {
      const feed = session.feedOf(room.id);
      const now = feed ? { ...room, headSeq: feed.headSeq, rev: feed.rev } : room;
      return presentRoomPush(now, session.isMember(room.id), role);
    });
    if (batch) socket.emit('chatrooms', { rooms: pushes, ...(next === undefined ? {} : { next }) });
    else for (const push of pushes) socket.emit('chatroom', push);
    sessions.connected(session);
  });

  const guard = new UnreadGuard<Session>(options.unread, ({ socket, rooms }) => {
    observe.slowConsumerCut();
    socket.emit('resync', { rooms });
    closeConnection(socket.conn);
  });

  function renewToken(session: Session, token: string): void {
    if (session.closed) return;
    watchToken(session, token);
    tellWho(session, false);
  }

  function watchToken(session: Session, token: string): void {
    session.releaseToken();
    session.cancelExpiry?.();
    session.cancelExpiry = undefined;
    session.releaseToken = tokens.hold(token, session.account, (end) => {
      if (end === 'revoked') {
        const { error, code, message: detail } = new ChatError('invalid_token', 'the token was revoked');
        session.socket.emit('failure', { event: 'authenticate', error, code, detail });
      }
      tellWho(session, true);
      const closeMs = end === 'revoked' ? 0 : EXPIRED_GRACE_MS;
      session.cancelExpiry = chat.clock.after(closeMs, () => closeConnection(session.socket.conn));
    });
  }

  function tellWho({ socket, account }: Session, expired: boolean): void {
    const { user, type, name, roles, expiresAt } = account;
    const { messageBytes, imageBytes, historyPage } = chat.settings;
    socket.emit('authentication', {
      user,
      type,
      name,
      roles: [...roles],
      ...(expiresAt === undefined ? {} : { expiresAt: iso(expiresAt) }),
      ...(expired ? { expired } : {}),
      node: worker,
      limits: { messageBytes, imageBytes, page: historyPage, rate: options.rateText },
    });
  }

  return {
    async drain(windowMs, endsAt) {
      draining = true;
      // The newest first: who has been here longest has the most to lose by a second move.
      const leaving = [...namespace.sockets.values()].reverse();
      writer.flush();
      const perStep = Math.ceil((leaving.length * DRAIN_STEP_MS) / Math.max(1, windowMs));
      const restMs = (windowMs * perStep) / leaving.length;
      const hurryAt = performance.now() + 2 * windowMs;
      for (let at = 0; at < leaving.length; at += perStep) {
        // From the last step, not from the start: who was held up and caught up would send a crowd to the others at once.
        if (at > 0 && performance.now() < hurryAt) await sleep(restMs);
        for (const socket of leaving.slice(at, at + perStep)) {
          socket.emit('drain', { retryAfterMs: Math.round(Math.random() * 500) });
          // Closed below Socket.IO: its own `disconnect` tells clients not to come back.
          closeConnection(socket.conn);
        }
      }
      // Who is still on the way in.
      for (const conn of connections) if (conn.readyState === 'open') closeConnection(conn);
      await waitUntil(() => connections.size === 0, Math.min(performance.now() + LAST_POLLS_MS, endsAt));
    },
    close() {
      admission.close();
      guard.close();
      writer.close();
      statuses.close();
      io.engine.close();
    },
  };
}

/**
 * Whoever says nothing but that it speaks Socket.IO is not served: on the root namespace there is nobody. Clients of
 * Socket.IO 2 are put there by the protocol and get time to go on.
 */
function guardRootNamespace(io: ChatServer, connectMs: number, hasSeat: (conn: Connection) => boolean): void {
  io.use(({ conn }, next) => {
    if (conn.protocol !== 3) {
      const { error } = ERRORS.invalid_operation;
      const data = { error, code: 'invalid_operation', detail: `connect to ${NAMESPACE}` };
      return next(Object.assign(new Error(data.detail), { data }));
    }
    const timer = setTimeout(() => {
      if (!hasSeat(conn)) closeConnection(conn);
    }, connectMs);
    conn.once('close', () => clearTimeout(timer));
    next();
  });
}

/** A node died, and these users had no other: every remaining node tells its own clients. */
async function tellGone(chat: Chat, statuses: StatusWriter, user: string): Promise<void> {
  try {
    statuses.write(user, 2, await chat.store.roomIdsOf(user));
  } catch (cause) {
    chat.log.warn('a lost user could not be told offline', { user, cause });
  }
}

function connectError(chat: Chat, cause: unknown): Error {
  const error = toChatError(cause);
  if (error.code === 'internal') chat.log.error('a socket could not be let in', { cause });
  const ack = failedAck(error);
  // Whoever could not be let in has nothing else to go by: a time is always said.
  const data = error.retry ? { retryAfterMs: 1000, ...ack } : ack;
  return Object.assign(new Error(error.message), { data });
}
