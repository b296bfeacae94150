import type { Chat } from './chat.ts';
import { ChatError } from './errors.ts';
import type { Account, Message, MessageId, RoomId } from './model.ts';
import { assertRank, memberRoom, readRoom } from './rules/access.ts';
import { assertTextSize } from './rules/draft.ts';
import { textType } from './rules/text-type.ts';

const noSuchMessage = () => new ChatError('not_found', 'there is no such message in this room');

/** Only the author edits, and only texts. */
export async function editMessage(
  chat: Chat,
  caller: Account,
  room: RoomId,
  id: MessageId,
  text: string,
): Promise<Message> {
  assertTextSize(text, chat.settings);
  await memberRoom(chat, caller, room);
  const message = await chat.store.message(room, id);
  if (!message || message.deleted) throw noSuchMessage();
  if (message.owner !== caller.user) throw new ChatError('role_required', 'only the author may edit a message');
  if (message.type === 3) throw new ChatError('invalid_operation', 'an image cannot be edited; delete it instead');
  const edited = await chat.store.editMessage(room, id, text, textType(text));
  if (!edited) throw noSuchMessage();
  tellChanged(chat, edited);
  return edited;
}

/** By the author or a moderator; what stays is a tombstone with its seq. Deleting twice is deleting once. */
export async function deleteMessage(chat: Chat, caller: Account, room: RoomId, id: MessageId): Promise<void> {
  const view = await readRoom(chat, caller, room);
  const message = await chat.store.message(room, id);
  if (!message) throw noSuchMessage();
  if (message.owner !== caller.user) assertRank(view, caller, 'moderator');
  else if (view.role === undefined) assertRank(view, caller, 'member');
  if (message.deleted) return;
  const deleted = await chat.store.deleteMessage(room, id);
  if (deleted) tellChanged(chat, deleted);
}

export function tellChanged(chat: Chat, { id, chatroom, seq, rev = 0, message, deleted }: Message): void {
  const change = { id, chatroom, seq, rev, ...(deleted ? {} : { message }) };
  chat.hub.tellRoom(chatroom, { kind: 'changed', change });
}
