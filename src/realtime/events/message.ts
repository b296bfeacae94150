import { postMessage } from '../../chat/post-message.ts';
import type { EventHandler } from '../event-context.ts';

export const onMessage: EventHandler<'message'> = async ({ chat }, { account }, { chatroom, ...draft }, reply) => {
  const posted = await postMessage(chat, account, chatroom, draft);
  if (posted.kind === 'command') reply({ error: 0, id: posted.id, command: posted.command });
  else {
    const { id, seq, createdAt, replayed } = posted;
    reply({ error: 0, id, seq, createdAt, ...(replayed ? { replayed } : {}) });
  }
};
