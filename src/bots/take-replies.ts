import type { Chat } from '../chat/chat.ts';
import { replyTaker } from '../chat/take-reply.ts';

/** What bots say comes in from now on. A reply is settled when it is stored. */
export const takeReplies = (chat: Chat, prefetch: number): Promise<void> =>
  chat.jobs.replies(prefetch, replyTaker(chat));
