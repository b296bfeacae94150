import type { Chat } from './chat.ts';
import type { Account, RoomId } from './model.ts';
import { assertMember, readRoom } from './rules/access.ts';

/** A mark never goes back and never past the head; it is told only when it moved. */
export async function markRead(chat: Chat, caller: Account, id: RoomId, seq: number): Promise<void> {
  const view = await readRoom(chat, caller, id);
  assertMember(view);
  const before = await chat.store.readMark(id, caller.user);
  const wanted = Math.min(seq, view.room.headSeq);
  if (wanted <= before) return;
  const mark = await chat.store.markRead(id, caller.user, wanted);
  chat.hub.tellRoom(id, { kind: 'read', user: caller.user, seq: mark });
}
