import { newBudget } from '../../chat/catch-up.ts';
import { prepareCatchUp } from '../../chat/live-catch-up.ts';
import { joinRoom } from '../../chat/manage-members.ts';
import { pageLimit } from '../../chat/read-history.ts';
import type { EventHandler } from '../event-context.ts';

export const onJoin: EventHandler<'join'> = async ({ chat, flush }, session, { chatroom, after, limit }, reply) => {
  await joinRoom(chat, session.account, chatroom);
  const feed = await session.enterAsMember(chatroom);
  if (after === undefined) {
    flush();
    reply({ error: 0, id: chatroom, epoch: feed.epoch, rev: feed.rev, headSeq: feed.headSeq });
    return;
  }
  const answer = await prepareCatchUp(chat, feed, { seq: after }, pageLimit(chat, limit));
  flush();
  const { changed: _changed, ...caughtUp } = answer(newBudget());
  reply({ error: 0, id: chatroom, ...caughtUp });
};
