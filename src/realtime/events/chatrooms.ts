import { LIST_MAX, listRooms } from '../../chat/manage-rooms.ts';
import { presentRoom } from '../../chat/present-room.ts';
import type { EventHandler } from '../event-context.ts';

export const onChatrooms: EventHandler<'chatrooms'> = async ({ chat }, { account }, { cursor }, reply) => {
  const { rooms, next } = await listRooms(chat, account, { cursor, limit: LIST_MAX });
  reply({ error: 0, rooms: rooms.map(presentRoom), ...(next === undefined ? {} : { next }) });
};
