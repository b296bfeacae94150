import { type Chat, PAGE_BYTES } from './chat.ts';
import { ChatError, invalidFields } from './errors.ts';
import type { Account, Image, Message, MessageId, Room, RoomId } from './model.ts';
import { weightOf } from './room-feed.ts';
import { readRoom } from './rules/access.ts';

export interface HistoryQuery {
  readonly before?: number | undefined;
  readonly after?: number | undefined;
  readonly around?: number | undefined;
  /** Of clients of the earlier server: how many of the newest to pass over. */
  readonly skip?: number | undefined;
  readonly limit?: number | undefined;
  readonly order?: 'asc' | 'desc' | undefined;
}

export interface Page {
  readonly chatroom: RoomId;
  readonly epoch: string;
  readonly messages: Message[];
  readonly firstSeq: number;
  readonly lastSeq: number | null;
  readonly headSeq: number;
  readonly hasMore: boolean;
  readonly hasMoreBefore?: boolean;
  readonly hasMoreAfter?: boolean;
  readonly limit: number;
}

/** Cuts where `bytes` are full, keeping the beginning and at least one. */
export function cutToBytes(messages: readonly Message[], bytes: number): Message[] {
  let weight = 0;
  let end = 0;
  for (const message of messages) {
    weight += weightOf(message);
    if (weight > bytes && end > 0) break;
    end += 1;
  }
  return messages.slice(0, end);
}

export const pageLimit = (chat: Chat, limit: number | undefined): number =>
  Math.min(limit ?? chat.settings.historyPage, chat.settings.historyMax);

/** A page of a room's log, by seq: newest first, or oldest first with `after` or order asc. */
export async function readHistory(chat: Chat, caller: Account, id: RoomId, query: HistoryQuery): Promise<Page> {
  const given = (['before', 'after', 'around'] as const).filter((it) => query[it] !== undefined);
  if (given.length > 1) throw invalidFields(`give only one of ${given.join(' and ')}`, ...given);
  const { room } = await readRoom(chat, caller, id);
  const limit = pageLimit(chat, query.limit);
  const found =
    query.around === undefined
      ? await readOneWay(chat, room, query, limit)
      : await readAround(chat, room, query.around, limit);
  const order = query.order ?? (query.after === undefined ? 'desc' : 'asc');
  const messages = found.messages.sort((a, b) => (order === 'asc' ? a.seq - b.seq : b.seq - a.seq));
  const lastSeq = (order === 'asc' ? messages.at(-1) : messages[0])?.seq ?? null;
  const { firstSeq, headSeq, epoch } = room;
  // A message committed after the room was read may be in the page: the head is never below it.
  return {
    chatroom: id,
    epoch,
    firstSeq,
    headSeq: Math.max(headSeq, lastSeq ?? 0),
    limit,
    lastSeq,
    ...found,
    messages,
  };
}

interface Found {
  messages: Message[];
  hasMore: boolean;
  hasMoreBefore?: boolean;
  hasMoreAfter?: boolean;
}

async function readOneWay(chat: Chat, room: Room, query: HistoryQuery, limit: number): Promise<Found> {
  const upwards = query.after !== undefined || (query.order === 'asc' && query.before === undefined);
  if (upwards) return readUp(chat, room, Math.max(room.firstSeq, (query.after ?? 0) + 1), limit, PAGE_BYTES);
  const to = Math.min(room.headSeq, (query.before ?? room.headSeq + 1) - 1) - (query.skip ?? 0);
  return readDown(chat, room, to, limit, PAGE_BYTES);
}

async function readUp(chat: Chat, room: Room, from: number, limit: number, bytes: number): Promise<Found> {
  if (from > room.headSeq) return { messages: [], hasMore: false };
  const read = await chat.store.messages(room.id, { from, to: from + limit - 1, order: 'asc', limit });
  const messages = cutToBytes(read, bytes);
  return { messages, hasMore: (messages.at(-1)?.seq ?? from - 1) < room.headSeq };
}

async function readDown(chat: Chat, room: Room, to: number, limit: number, bytes: number): Promise<Found> {
  if (to < room.firstSeq) return { messages: [], hasMore: false };
  const from = Math.max(room.firstSeq, to - limit + 1);
  const messages = cutToBytes(await chat.store.messages(room.id, { from, to, order: 'desc', limit }), bytes);
  return { messages, hasMore: (messages.at(-1)?.seq ?? room.firstSeq) > room.firstSeq };
}

/** The message itself counts to the older half. */
async function readAround(chat: Chat, room: Room, seq: number, limit: number): Promise<Found> {
  const older = await readDown(chat, room, Math.min(seq, room.headSeq), Math.ceil(limit / 2), PAGE_BYTES / 2);
  const newer =
    limit > 1
      ? await readUp(chat, room, Math.max(seq + 1, room.firstSeq), Math.floor(limit / 2), PAGE_BYTES / 2)
      : { messages: [], hasMore: seq < room.headSeq };
  return {
    messages: [...older.messages, ...newer.messages],
    hasMore: older.hasMore || newer.hasMore,
    hasMoreBefore: older.hasMore,
    hasMoreAfter: newer.hasMore,
  };
}

export async function readMessage(chat: Chat, caller: Account, room: RoomId, id: MessageId): Promise<Message> {
  const view = await readRoom(chat, caller, room);
  const message = await chat.store.message(room, id);
  if (!message || isGivenUp(view.room, message)) {
    throw new ChatError('not_found', 'there is no such message in this room');
  }
  return message;
}

/** Retention has taken it, and the store may still have it. */
const isGivenUp = ({ firstSeq }: Room, { seq }: Message): boolean => seq < firstSeq;

export async function readImage(chat: Chat, caller: Account, room: RoomId, id: MessageId): Promise<Image> {
  const view = await readRoom(chat, caller, room);
  const message = view.room.firstSeq > 1 ? await chat.store.message(room, id) : undefined;
  const image = message && isGivenUp(view.room, message) ? undefined : await chat.store.image(room, id);
  if (!image) throw new ChatError('not_found', 'this message has no image');
  return image;
}
