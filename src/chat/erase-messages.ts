import { tellChanged } from './change-message.ts';
import type { Chat } from './chat.ts';
import { ChatError } from './errors.ts';
import type { Account, Message, MessageId, RoomId, UserId } from './model.ts';
import { assertChatRole, isAdmin } from './rules/access.ts';

const DELETED_AT_ONCE = 100;
/** A call answers after about this long, however much there is. */
const CALL_MS = 2000;

export interface Erasure {
  readonly deleted: number;
  /** Where to go on; absent when all was looked through. */
  readonly next?: string;
}

/**
 * Deletes messages of `user` wherever they are, also in rooms that the user has left or is banned from: each becomes a
 * tombstone and is announced as one. Everybody may erase their own, admins anybody's.
 */
export async function eraseMessages(chat: Chat, caller: Account, user: UserId, cursor?: string): Promise<Erasure> {
  assertChatRole(caller);
  if (user !== caller.user && !isAdmin(caller)) {
    throw new ChatError('role_required', 'only admins may delete all messages of somebody else');
  }
  const until = chat.clock.now() + CALL_MS;
  let deleted = 0;
  let next = cursor;
  do {
    const found = await chat.store.messagesOf(user, DELETED_AT_ONCE, next);
    deleted += await deleteAll(chat, found.messages);
    next = found.next;
  } while (next !== undefined && chat.clock.now() < until);
  return { deleted, ...(next !== undefined && { next }) };
}

/** What was deleted is announced, whatever becomes of the others: nobody would come upon it again. */
async function deleteAll(
  chat: Chat,
  found: readonly { readonly chatroom: RoomId; readonly id: MessageId }[],
): Promise<number> {
  const gone = await Promise.allSettled(found.map(({ chatroom, id }) => deleteOne(chat, chatroom, id)));
  const tombstones = gone.flatMap((it) => (it.status === 'fulfilled' && it.value ? [it.value] : []));
  for (const tombstone of tombstones) tellChanged(chat, tombstone);
  for (const it of gone) if (it.status === 'rejected') throw it.reason;
  return tombstones.length;
}

async function deleteOne(chat: Chat, room: RoomId, id: MessageId): Promise<Message | undefined> {
  try {
    return await chat.store.deleteMessage(room, id);
  } catch (cause) {
    // With its room.
    if (cause instanceof ChatError && cause.code === 'invalid_chatroom') return undefined;
    throw cause;
  }
}
