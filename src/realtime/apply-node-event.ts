import type { Chat } from '../chat/chat.ts';
import { ERRORS } from '../chat/errors.ts';
import type { Room, RoomId } from '../chat/model.ts';
import type { NodeEvent } from '../chat/ports/bus.ts';
import { presentRoomPush } from '../chat/present-room.ts';
import type { TokenWatch } from '../chat/token-watch.ts';
import { closeConnection } from './close-connection.ts';
import type { Sessions } from './sessions.ts';
import { members, readers, user } from './socket-rooms.ts';
import type { ChatNamespace } from './socket-types.ts';
import type { StatusWriter } from './status-writer.ts';

type EventOf<K extends NodeEvent['kind']> = Extract<NodeEvent, { kind: K }>;

export interface NodeEventPorts {
  readonly chat: Chat;
  readonly namespace: ChatNamespace;
  readonly sessions: Sessions;
  readonly tokens: TokenWatch;
  readonly statuses: StatusWriter;
}

/** What an event that every node hears means for the sockets of this one. */
export function applyNodeEvent(ports: NodeEventPorts, event: NodeEvent): void {
  const { namespace, tokens } = ports;
  switch (event.kind) {
    case 'joined':
      applyJoined(ports, event);
      return;
    case 'left':
      applyLeft(ports, event);
      return;
    case 'room':
      applyRoom(ports, event);
      return;
    case 'role':
      ports.namespace.to(user(event.user)).emit('chatroom', presentRoomPush(event.room, true, event.role));
      return;
    case 'deleted':
      applyDeleted(ports, event.room);
      return;
    case 'status':
      ports.statuses.write(event.user, event.status, event.rooms);
      return;
    case 'failure': {
      const { error, title } = ERRORS.bot_unavailable;
      const failure = { event: event.event, error, code: 'bot_unavailable', detail: title, id: event.id };
      namespace.to(user(event.user)).emit('failure', failure);
      return;
    }
    case 'command': {
      const { kind: _kind, to, ...command } = event;
      namespace.to(to === 'sender' ? user(event.user) : members(event.chatroom)).emit('command', command);
      return;
    }
    case 'revoked':
      tokens.apply(event);
      return;
    default:
      event satisfies never;
  }
}

function applyJoined({ chat, namespace, sessions }: NodeEventPorts, event: EventOf<'joined'>): void {
  const { room, at, role } = event;
  const join = { user: event.user, name: event.name, chatroom: room.id, count: room.count, at };
  namespace.to(members(room.id)).except(user(event.user)).emit('join', join);
  for (const session of sessions.of(event.user)) {
    session.enter([room.id]).then(
      () => {
        if (!session.isMember(room.id)) return;
        const headSeq = session.feedOf(room.id)?.headSeq ?? room.headSeq;
        session.socket.emit('chatroom', presentRoomPush({ ...room, headSeq }, true, role));
        session.socket.emit('join', join);
      },
      (cause: unknown) => {
        // Without the room's feed the socket would miss messages silently: it comes back and reads anew.
        chat.log.warn('a socket could not follow its new room and is closed', { room: room.id, cause });
        closeConnection(session.socket.conn);
      },
    );
  }
}

function applyLeft({ namespace, sessions }: NodeEventPorts, event: EventOf<'left'>): void {
  const { chatroom, name, count, at, reason } = event;
  if (event.wasMember) namespace.to(members(chatroom)).emit('leave', { user: event.user, name, chatroom, count, at });
  for (const session of sessions.of(event.user)) {
    session.exit(chatroom);
    if (reason === 'banned' && session.reading === chatroom) session.stopReading();
    session.socket.emit('removed', { chatroom, reason });
  }
}

function applyRoom({ namespace, sessions }: NodeEventPorts, { room, was }: EventOf<'room'>): void {
  namespace.to(members(room.id)).emit('chatroom', presentRoomPush(room, true));
  // The creator of a new room is on the way into it and hears of it as a member.
  const others = namespace.except(was === 'new' ? [members(room.id), user(room.owner)] : members(room.id));
  if (room.visibility === 'public') others.emit('chatroom', presentRoomPush(room, false));
  else if (was === 'public') {
    endReading(sessions, room.id);
    others.emit('removed', { chatroom: room.id, reason: 'removed' });
  }
}

function applyDeleted({ namespace, sessions }: NodeEventPorts, room: Room): void {
  const removed = { chatroom: room.id, reason: 'deleted' } as const;
  if (room.visibility === 'public') namespace.emit('removed', removed);
  else namespace.to([members(room.id), readers(room.id)]).emit('removed', removed);
  endReading(sessions, room.id);
  for (const session of sessions.all()) session.exit(room.id);
}

function endReading(sessions: Sessions, room: RoomId): void {
  for (const session of sessions.all()) if (session.reading === room) session.stopReading();
}
