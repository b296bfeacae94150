import type { RoomId } from '../chat/model.ts';
import type { RoomEvent } from '../chat/ports/bus.ts';
import { members, readers, user } from './socket-rooms.ts';
import type { ChatNamespace } from './socket-types.ts';

/** Everything that happens in a room's log goes out here, in the order it comes: the one place to make fan-out cheaper. */
export function createRoomWriter(namespace: ChatNamespace, delivered: (sockets: number) => void) {
  const size = (name: string): number => namespace.adapter.rooms.get(name)?.size ?? 0;

  return (chatroom: RoomId, event: RoomEvent): void => {
    const own = members(chatroom);
    const all = [own, readers(chatroom)];
    switch (event.kind) {
      case 'message':
        namespace.to(all).emit('message', event.message);
        delivered(size(own) + size(readers(chatroom)));
        break;
      case 'changed': {
        const { id, seq, rev, message } = event.change;
        if (message === undefined) namespace.to(all).emit('message:deleted', { chatroom, id, seq, rev });
        else namespace.to(all).emit('message:updated', { chatroom, id, seq, rev, message });
        break;
      }
      case 'writing': {
        const { name, status } = event;
        namespace
          .to(all)
          .except(user(event.user))
          .volatile.emit('writing', { chatroom, user: event.user, name, status });
        break;
      }
      case 'read':
        namespace.to(own).emit('read', { chatroom, user: event.user, seq: event.seq });
        break;
      default:
        event satisfies never;
    }
  };
}
