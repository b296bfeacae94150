import type { Chat } from './chat.ts';
import { ChatError, idempotencyConflict, invalidFields } from './errors.ts';
import { keepTrying } from './keep-trying.ts';
import type { Account, Message, NewMessage, Receipt, RoomId, Standing } from './model.ts';
import { newId } from './new-id.ts';
import { iso } from './ports/clock.ts';
import { postCommand } from './post-command.ts';
import { hasRank, memberRoom } from './rules/access.ts';
import { type Draft, fingerprintOf, type ParsedDraft, parseDraft } from './rules/draft.ts';

export type Posted =
  | ({ readonly kind: 'message' } & Receipt)
  | { readonly kind: 'command'; readonly id: string; readonly command: string; readonly replayed: boolean };

/** An unknown outcome is asked after for the first time after this. */
const SETTLE_MS = 500;

/** Where text of users enters a room; text of bots enters by `postReply`, and both end in {@link appendMessage}. */
export async function postMessage(chat: Chat, caller: Account, roomId: RoomId, draft: Draft): Promise<Posted> {
  const parsed = parseDraft(draft, chat.settings);
  const view = await memberRoom(chat, caller, roomId);
  if (caller.type === 2) throw new ChatError('cannot_send', 'services do not send to rooms');
  await assertReplyTarget(chat, roomId, draft.inReplyTo);
  const fingerprint = fingerprintOf(draft, parsed.image);

  const refused = await takeLimits(chat, caller, view);
  if (refused) {
    // A replay counts for no limit: whoever has a receipt already may have it again.
    const replay = await replayOf(chat, caller, roomId, draft, parsed, fingerprint);
    if (replay) return replay;
    throw refused;
  }
  const refund = () => refundLimits(chat, caller, view);
  try {
    const posted = parsed.command
      ? await postCommand(chat, caller, view, { text: parsed.text, ...parsed.command, draft, fingerprint })
      : await append(chat, caller, roomId, draft, parsed, fingerprint);
    if (posted.replayed) refund();
    return posted;
  } catch (cause) {
    if (!(cause instanceof ChatError && cause.retry)) refund();
    throw cause;
  }
}

async function append(
  chat: Chat,
  caller: Account,
  roomId: RoomId,
  draft: Draft,
  parsed: ParsedDraft,
  fingerprint: string,
): Promise<Posted> {
  const id = newId(chat.clock.now());
  const receipt = await appendMessage(chat, {
    id,
    chatroom: roomId,
    owner: caller.user,
    ownerName: caller.name,
    type: parsed.type,
    message: parsed.image ? `/v1/chat/rooms/${encodeURIComponent(roomId)}/messages/${id}/image` : parsed.text,
    createdAt: iso(chat.clock.now()),
    clientId: draft.clientId ?? id,
    fingerprint,
    ...(parsed.image ? { image: parsed.image } : {}),
    ...(draft.inReplyTo === undefined ? {} : { inReplyTo: draft.inReplyTo }),
    ...(draft.meta === undefined ? {} : { meta: draft.meta }),
  });
  return { kind: 'message', ...receipt };
}

/** Commits and tells: the only way into a room's log. */
export async function appendMessage(chat: Chat, draft: NewMessage): Promise<Receipt> {
  let receipt: Receipt;
  const startedAt = performance.now();
  try {
    receipt = await chat.store.append(draft, chat.hub.feeds.get(draft.chatroom)?.headSeq); // commit point: from here the message exists
  } catch (cause) {
    if (cause instanceof ChatError && cause.code === 'try_again') settleLater(chat, draft);
    throw cause;
  }
  chat.appended((performance.now() - startedAt) / 1000);
  if (receipt.replayed) void tellStored(chat, draft.chatroom, receipt.id);
  else chat.hub.tellRoom(draft.chatroom, { kind: 'message', message: storedForm(draft, receipt) });
  return receipt;
}

function storedForm(draft: NewMessage, receipt: Receipt): Message {
  const { image: _image, fingerprint: _fingerprint, ...message } = draft;
  return { ...message, seq: receipt.seq };
}

/** A replay means that the first answer was lost, and perhaps the announcement with it. */
async function tellStored(chat: Chat, room: RoomId, id: string): Promise<void> {
  try {
    const message = await chat.store.message(room, id);
    if (message && !message.deleted) chat.hub.tellRoom(room, { kind: 'message', message });
  } catch (cause) {
    chat.log.warn('a replayed message could not be read', { room, id, cause });
  }
}

/**
 * The store did not answer: what it stored all the same is announced once it answers again. It is asked several times,
 * because a write that is on its way may still be committed after the first look.
 */
function settleLater(chat: Chat, { chatroom, owner, clientId }: NewMessage): void {
  const settle = async (): Promise<boolean> => {
    const found = await chat.store.findReceipt(chatroom, owner, clientId);
    if (found) await tellStored(chat, chatroom, found.id);
    return found !== undefined;
  };
  keepTrying(chat.clock, SETTLE_MS, settle, (cause) => {
    if (cause !== undefined) chat.log.warn('an unknown outcome could not be settled', { room: chatroom, cause });
  });
}

async function assertReplyTarget(chat: Chat, room: RoomId, target: string | undefined): Promise<void> {
  if (target !== undefined && !(await chat.store.message(room, target))) {
    throw invalidFields('inReplyTo must be a message of this room', 'inReplyTo');
  }
}

const messageKey = (caller: Account): string => `messages:${caller.user}`;
const slowKey = (caller: Account, view: Standing): string => `slow:${view.room.id}:${caller.user}`;

const slowRate = (caller: Account, view: Standing) =>
  view.room.slowModeMs > 0 && !hasRank(view, caller, 'moderator') ? { count: 1, windowMs: view.room.slowModeMs } : null;

async function takeLimits(chat: Chat, caller: Account, view: Standing): Promise<ChatError | undefined> {
  const { limits, settings } = chat;
  const taken = await limits.take(messageKey(caller), settings.messages);
  if (!taken.ok) {
    return new ChatError('rate_limited', 'too many messages; wait a little', { retryAfterMs: taken.retryAfterMs });
  }
  const slow = slowRate(caller, view);
  if (slow === null) return undefined;
  const slowly = await limits.take(slowKey(caller, view), slow);
  if (slowly.ok) return undefined;
  limits.refund(messageKey(caller), settings.messages);
  return new ChatError('slow_mode', 'the room is in slow mode; wait a little', { retryAfterMs: slowly.retryAfterMs });
}

function refundLimits(chat: Chat, caller: Account, view: Standing): void {
  chat.limits.refund(messageKey(caller), chat.settings.messages);
  const slow = slowRate(caller, view);
  if (slow !== null) chat.limits.refund(slowKey(caller, view), slow);
}

async function replayOf(
  chat: Chat,
  caller: Account,
  room: RoomId,
  draft: Draft,
  parsed: ParsedDraft,
  fingerprint: string,
): Promise<Posted | undefined> {
  if (draft.clientId === undefined) return undefined;
  const found = await chat.store.findReceipt(room, caller.user, draft.clientId);
  if (!found) return undefined;
  if (found.fingerprint !== fingerprint) throw idempotencyConflict();
  if (found.seq === undefined) {
    return { kind: 'command', id: found.id, command: parsed.command?.word ?? '', replayed: true };
  }
  void tellStored(chat, room, found.id);
  return { kind: 'message', id: found.id, seq: found.seq, createdAt: found.createdAt, replayed: true };
}
