import { type CaughtUp, type ClosedRoom, catchUp, cursorOf, newBudget } from '../../chat/catch-up.ts';
import { prepareCatchUp } from '../../chat/live-catch-up.ts';
import type { RoomId } from '../../chat/model.ts';
import { pageLimit } from '../../chat/read-history.ts';
import type { EventHandler } from '../event-context.ts';

export const onResume: EventHandler<'resume'> = async ({ chat, flush }, session, { rooms, limit }, reply) => {
  const cursors = new Map(Object.entries(rooms).map(([id, it]) => [id, cursorOf(it)]));
  // Rooms this socket follows are answered from where their live stream stands; any other one from the store.
  const followed = [...cursors].flatMap(([id, cursor]) => {
    const feed = session.feedOf(id);
    return feed ? [{ id, answer: prepareCatchUp(chat, feed, cursor, pageLimit(chat, limit)) }] : [];
  });
  for (const { id } of followed) cursors.delete(id);
  const budget = newBudget();
  const [others, ...answers] = await Promise.all([
    catchUp(chat, session.account, cursors, limit, budget),
    ...followed.map(async ({ id, answer }) => ({ id, answer: await answer })),
  ]);
  flush();
  const caughtUp = new Map<RoomId, CaughtUp | ClosedRoom>(others);
  for (const { id, answer } of answers) caughtUp.set(id, answer(budget));
  reply({ error: 0, rooms: Object.fromEntries(caughtUp) });
};
