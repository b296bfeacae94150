import { readHistory } from '../../chat/read-history.ts';
import type { EventHandler } from '../event-context.ts';

export const onHistory: EventHandler<'history'> = async ({ chat }, { account }, { chatroom, ...query }, reply) => {
  const { epoch, messages, firstSeq, headSeq, hasMore, limit } = await readHistory(chat, account, chatroom, query);
  reply({ error: 0, epoch, messages, firstSeq, headSeq, hasMore, limit });
};
