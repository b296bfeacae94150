import { newBudget } from '../../chat/catch-up.ts';
import { prepareNewest } from '../../chat/live-catch-up.ts';
import { membersOf } from '../../chat/manage-members.ts';
import { pageLimit } from '../../chat/read-history.ts';
import { readRoom } from '../../chat/rules/access.ts';
import type { EventHandler } from '../event-context.ts';

export const onSwitch: EventHandler<'switch'> = async ({ chat }, session, { chatroom, limit }, reply) => {
  const { account } = session;
  const { room, role } = await readRoom(chat, account, chatroom);
  // Subscribed first, read second: nothing falls between.
  if (role === undefined) await session.read(chatroom);
  else {
    session.stopReading();
    await session.enter([chatroom]);
  }
  const feed = session.feedOf(chatroom) ?? (await session.read(chatroom));
  const [{ users }, readSeq, newest] = await Promise.all([
    membersOf(chat, chatroom),
    chat.store.readMark(chatroom, account.user),
    prepareNewest(chat, feed, pageLimit(chat, limit)),
  ]);
  const messages = newest(newBudget()).reverse();
  reply({
    error: 0,
    data: {
      id: room.id,
      name: room.name,
      topic: room.topic,
      owner: room.owner,
      visibility: room.visibility,
      slowModeMs: room.slowModeMs,
      ...(role === undefined ? {} : { role }),
      count: users.length,
      epoch: feed.epoch,
      rev: feed.rev,
      users,
      present: users.filter((it) => it.online).map((it) => it.user),
      messages,
      firstSeq: feed.firstSeq,
      headSeq: feed.headSeq,
      readSeq,
    },
  });
};
