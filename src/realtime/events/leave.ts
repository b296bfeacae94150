import { leaveRoom } from '../../chat/manage-members.ts';
import type { EventHandler } from '../event-context.ts';

export const onLeave: EventHandler<'leave'> = async ({ chat }, { account }, { chatroom }, reply) => {
  await leaveRoom(chat, account, chatroom);
  reply({ error: 0, id: chatroom });
};
