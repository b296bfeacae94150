import { newBudget } from '../../chat/catch-up.ts';
import { prepareNewest } from '../../chat/live-catch-up.ts';
import { membersOf } from '../../chat/manage-members.ts';
import { pageLimit } from '../../chat/read-history.ts';
import type { RoomFeed } from '../../chat/room-feed.ts';
import { readRoom } from '../../chat/rules/access.ts';
import type { EventHandler } from '../event-context.ts';

export const onSwitch: EventHandler<'switch'> = async ({ chat, flush }, session, { chatroom, limit }, reply) => {
  const { account } = session;
  let view = await readRoom(chat, account, chatroom);
  let feed: RoomFeed;
  // Subscribed first, read second: nothing falls between.
  if (view.role === undefined) {
    feed = await session.read(chatroom);
    // Looked at again now that its events arrive: it may have been closed to readers a moment ago.
    view = await readRoom(chat, account, chatroom).catch((cause: unknown) => {
      if (session.reading === chatroom) session.stopReading();
      throw cause;
    });
  } else {
    session.stopReading();
    feed = await session.enterAsMember(chatroom);
  }
  const { room, role } = view;
  const [{ users }, readSeq, newest] = await Promise.all([
    membersOf(chat, chatroom),
    chat.store.readMark(chatroom, account.user),
    prepareNewest(chat, feed, pageLimit(chat, limit)),
  ]);
  flush();
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
