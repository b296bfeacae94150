import { createRoom } from '../../chat/manage-rooms.ts';
import { presentRoom } from '../../chat/present-room.ts';
import type { EventHandler } from '../event-context.ts';

export const onChatroom: EventHandler<'chatroom'> = async ({ chat }, session, payload, reply) => {
  const view = await createRoom(chat, session.account, payload);
  await session.enter([view.room.id]);
  reply({ error: 0, ...presentRoom(view) });
};
