import { type Chat, PAGE_BYTES } from './chat.ts';
import { ChatError, type ErrorCode, noSuchRoom } from './errors.ts';
import type { Account, Head, Message, RoomId } from './model.ts';
import { cutToBytes, pageLimit } from './read-history.ts';
import { weightOf } from './room-feed.ts';
import { readRoom } from './rules/access.ts';

/** Where a client stands in a room. */
export interface CatchUpCursor {
  readonly seq: number;
  readonly rev?: number | undefined;
}

export interface CaughtUp {
  readonly epoch: string;
  readonly rev: number;
  readonly messages: Message[];
  readonly changed?: Message[];
  readonly headSeq: number;
  readonly hasMore: boolean;
  readonly truncated?: true;
}

export interface ClosedRoom {
  readonly error: number;
  readonly code: ErrorCode;
}

/** Edits and deletions handed over at once; a client that is further behind asks again with the rev it got. */
export const CHANGED_MAX = 500;

/** Messages handed over per room at once. */
export interface Budget {
  bytes: number;
}

export const newBudget = (): Budget => ({ bytes: PAGE_BYTES });

/**
 * Forms the answer for one room out of what was read. `messages` are those after the cursor without holes; `changes`
 * those edited or deleted after the cursor's rev, by rev.
 */
export function formCaughtUp(
  cursor: CatchUpCursor,
  head: Head,
  messages: readonly Message[],
  changes: readonly Message[] | undefined,
  budget: Budget,
): CaughtUp {
  const kept = budget.bytes > 0 ? cutToBytes(messages, budget.bytes) : [];
  for (const it of kept) budget.bytes -= weightOf(it);
  const told = takeChanges(cursor, changes ?? [], budget);
  // What retention took is nobody's any more: whoever was before it goes on from there.
  const reached = kept.at(-1)?.seq ?? Math.max(cursor.seq, head.firstSeq - 1);
  // Never past the head's rev: of a message in the page a later change may be missing.
  const moreChanges = told.rev < head.rev && (told.cut || (changes ?? []).length >= CHANGED_MAX);
  const truncated = cursor.seq + 1 < head.firstSeq;
  return {
    epoch: head.epoch,
    rev: moreChanges ? told.rev : head.rev,
    messages: kept,
    ...(told.changed.length > 0 ? { changed: told.changed } : {}),
    headSeq: head.headSeq,
    hasMore: reached < head.headSeq || moreChanges,
    ...(truncated ? { truncated } : {}),
  };
}

/** Changes of messages that the client has, by rev as far as the bytes reach; those of later messages are in them. */
function takeChanges(
  cursor: CatchUpCursor,
  changes: readonly Message[],
  budget: Budget,
): { changed: Message[]; rev: number; cut: boolean } {
  const changed: Message[] = [];
  let rev = cursor.rev ?? 0;
  for (const it of changes) {
    if (it.seq <= cursor.seq) {
      if (budget.bytes <= 0) return { changed, rev, cut: true };
      changed.push(it);
      budget.bytes -= weightOf(it);
    }
    rev = it.rev ?? rev;
  }
  return { changed, rev, cut: false };
}

export const changesWanted = (cursor: CatchUpCursor, rev: number): cursor is Required<CatchUpCursor> =>
  cursor.rev !== undefined && cursor.rev < rev;

/** One room from the store, for callers that follow no live stream. */
async function catchUpRoom(
  chat: Chat,
  caller: Account,
  id: RoomId,
  cursor: CatchUpCursor,
  limit: number,
  budget: Budget,
  isSecondLook = false,
): Promise<CaughtUp> {
  const { room } = await readRoom(chat, caller, id);
  const from = Math.max(cursor.seq + 1, room.firstSeq);
  // Closed at the head that was read: what comes later is the next call's.
  const to = Math.min(room.headSeq, from + limit - 1);
  // Nothing is read that could not be handed over: hundreds of rooms may come after the bytes ran out.
  const empty = from > to || budget.bytes <= 0;
  const messages = empty ? [] : await chat.store.messages(id, { from, to, order: 'asc', limit });
  if (!empty && !isSecondLook && messages[0]?.seq !== from) {
    // The beginning was trimmed since the room was read.
    return catchUpRoom(chat, caller, id, cursor, limit, budget, true);
  }
  const changes = changesWanted(cursor, room.rev)
    ? await chat.store.changedSince(id, cursor.rev ?? 0, CHANGED_MAX)
    : undefined;
  return formCaughtUp(cursor, room, messages, changes, budget);
}

/** What came in each room since its cursor; a room that is unknown or closed to the caller has an error in its place. */
export async function catchUp(
  chat: Chat,
  caller: Account,
  cursors: ReadonlyMap<RoomId, CatchUpCursor>,
  limit: number | undefined,
  budget = newBudget(),
): Promise<Map<RoomId, CaughtUp | ClosedRoom>> {
  const answer = new Map<RoomId, CaughtUp | ClosedRoom>();
  for (const [id, cursor] of cursors) {
    const caughtUp = catchUpRoom(chat, caller, id, cursor, pageLimit(chat, limit), budget);
    answer.set(id, await caughtUp.catch(closedRoom));
  }
  return answer;
}

/** A closed room is part of the answer; a store that is away is the whole call's error. */
function closedRoom(cause: unknown): ClosedRoom {
  if (!(cause instanceof ChatError) || cause.retry) throw cause;
  // Closed is closed: the answer does not tell a ban from a room that is not there.
  const { error, code } = noSuchRoom();
  return { error, code };
}

export const cursorOf = (it: number | CatchUpCursor): CatchUpCursor => (typeof it === 'number' ? { seq: it } : it);
