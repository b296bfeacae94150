import { randomUUID } from 'node:crypto';
import type { NewMessage } from '../../src/chat/model.ts';
import type { NewRoom } from '../../src/chat/ports/store.ts';

/** When everything of these was made. */
export const at = '2026-01-02T03:04:05.678Z';

export const newRoom = (over: Partial<NewRoom> = {}): NewRoom => {
  const name = over.name ?? `Room ${randomUUID()}`;
  return {
    id: randomUUID(),
    name,
    nameKey: name.toLowerCase(),
    topic: '',
    visibility: 'public',
    epoch: 'e1',
    createdAt: at,
    ...over,
  };
};

export const draft = (chatroom: string, over: Partial<NewMessage> = {}): NewMessage => ({
  id: randomUUID(),
  chatroom,
  owner: 'ada',
  ownerName: 'Ada',
  type: 1,
  message: 'hello',
  createdAt: at,
  clientId: randomUUID(),
  fingerprint: 'f1',
  ...over,
});
