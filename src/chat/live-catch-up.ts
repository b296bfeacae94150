import {
  type Budget,
  type CatchUpCursor,
  type CaughtUp,
  CHANGED_MAX,
  changesWanted,
  formCaughtUp,
} from './catch-up.ts';
import type { Chat } from './chat.ts';
import type { Message } from './model.ts';
import { type RoomFeed, weightOf } from './room-feed.ts';

/**
 * Reads what a follower of `feed` missed, in two steps: this one reads, the returned one forms the answer from where the
 * feed stands in that very turn. Whoever sends the answer in the same turn may promise that the next live message is
 * `headSeq + 1`. What moved too far in between is answered with `hasMore`, and the client asks again.
 */
export async function prepareCatchUp(
  chat: Pick<Chat, 'store'>,
  feed: RoomFeed,
  cursor: CatchUpCursor,
  limit: number,
): Promise<(budget: Budget) => CaughtUp> {
  const { room } = feed;
  // While the bus is slow or away: else the answer's head would lie before what the client has.
  await feed.reach(cursor.seq);
  if (feed.after(cursor.seq, limit) === undefined) await feed.fill();
  const revRead = feed.rev;
  const from = Math.max(cursor.seq + 1, feed.firstSeq);
  const read =
    feed.after(from - 1, limit) === undefined
      ? await chat.store.messages(room, { from, to: from + limit - 1, order: 'asc', limit })
      : undefined;
  if (read && read[0]?.seq !== from) {
    // The store has trimmed the beginning since the feed looked, or dropped the whole room.
    const head = (await chat.store.heads([room])).get(room);
    if (head && head.firstSeq > feed.firstSeq) {
      feed.compare(head);
      return prepareCatchUp(chat, feed, cursor, limit);
    }
  }
  const changes = changesWanted(cursor, feed.rev)
    ? await chat.store.changedSince(room, cursor.rev ?? 0, CHANGED_MAX)
    : undefined;
  return (budget) => {
    const { headSeq, firstSeq, rev, epoch } = feed;
    // What was read may be older than edits that went out meanwhile: better none of it than a stale text.
    const stored = read && (feed.upToDate(read, revRead) ?? []);
    const messages = feed.after(from - 1, limit) ?? (stored ? joinTail(stored, feed, from, limit) : []);
    return formCaughtUp(cursor, { headSeq, firstSeq, rev, epoch }, messages, changes, budget);
  };
}

/** Never past what the feed delivered: that comes live. */
function joinTail(read: readonly Message[], feed: RoomFeed, from: number, limit: number): Message[] {
  const known = read.filter((it) => it.seq <= feed.headSeq);
  const last = known.at(-1)?.seq ?? from - 1;
  return [...known, ...(feed.after(last, limit - known.length) ?? [])].slice(0, limit);
}

/** The newest messages of a followed room, oldest first; like {@link prepareCatchUp}. */
export async function prepareNewest(
  chat: Pick<Chat, 'store'>,
  feed: RoomFeed,
  limit: number,
): Promise<(budget: Budget) => Message[]> {
  await feed.fill();
  const revRead = feed.rev;
  const wanted = Math.min(limit, feed.headSeq - feed.firstSeq + 1) - feed.newest(limit).length;
  const to = feed.headSeq - feed.newest(limit).length;
  // Only where pages are larger than what a feed keeps.
  const read =
    wanted > 0 ? await chat.store.messages(feed.room, { from: to - wanted + 1, to, order: 'desc', limit: wanted }) : [];
  return (budget) => {
    const kept: Message[] = [];
    // The newest first: when bytes run out the beginning of a page may be cut, its end may not.
    const take = (message: Message): boolean => {
      const cost = weightOf(message);
      if (kept.length > 0 && cost > budget.bytes) return false;
      budget.bytes -= cost;
      kept.unshift(message);
      return kept.length < limit;
    };
    if (!feed.newest(limit).reverse().every(take)) return kept;
    for (const message of feed.upToDate(read, revRead) ?? []) {
      const next = (kept[0]?.seq ?? feed.headSeq + 1) - 1;
      if (message.seq > next) continue; // kept by the feed by now
      if (message.seq < next || !take(message)) break; // the feed has moved on: what lies before is another page
    }
    return kept;
  };
}
