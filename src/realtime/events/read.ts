import { markRead } from '../../chat/mark-read.ts';
import type { EventHandler } from '../event-context.ts';

export const onRead: EventHandler<'read'> = async ({ chat }, { account }, { chatroom, seq }, reply) => {
  await markRead(chat, account, chatroom, seq);
  reply({ error: 0 });
};
