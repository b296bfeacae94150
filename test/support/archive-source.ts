import { randomUUID } from 'node:crypto';
import { exportRooms } from '../../src/archive/export-rooms.ts';
import { importRooms } from '../../src/archive/import-rooms.ts';
import type { NewMessage } from '../../src/chat/model.ts';
import type { Archive } from '../../src/chat/ports/archive.ts';
import type { Store } from '../../src/chat/ports/store.ts';

const at = '2026-01-02T03:04:05.678Z';
const MANY = 100;

/** Two rooms with something of everything: trimmed, edited, deleted, pictures, bans, marks, a public and a private one. */
export async function fillForArchive(store: Store): Promise<{ open: string; closed: string }> {
  const [open, closed] = [randomUUID(), randomUUID()];
  const ada = { user: 'ada', name: 'Ada' };
  const room = { topic: 'All things', epoch: 'old', createdAt: at };
  await store.createRoom({ ...room, id: open, name: 'Ópen', nameKey: 'ópen', visibility: 'public' }, ada, MANY);
  await store.createRoom({ ...room, id: closed, name: 'Closed', nameKey: 'closed', visibility: 'private' }, ada, MANY);
  const join = (user: string, role: 'member' | 'moderator' = 'member') =>
    store.addMember(open, { user, name: `Name of ${user}`, at, role }, MANY);
  for (const user of ['zoe', 'bob', 'eve', 'kim']) await join(user);
  await store.setRole(open, 'zoe', 'moderator');
  await store.ban(open, { user: 'eve', until: 4_000_000_000_000, reason: 'noise', by: 'ada', at });
  await store.ban(open, { user: 'kim', by: 'ada', at });
  const send = (seq: number, over: Partial<NewMessage> = {}) =>
    store.append({
      ...{ id: `${open}-${seq}`, chatroom: open, owner: seq % 2 ? 'ada' : 'bob', ownerName: 'Name', type: 1 },
      ...{ message: `text ${seq} ✓ "quoted"\n`, createdAt: at, clientId: `c ${seq}`, fingerprint: `f${seq}` },
      ...over,
    });
  for (let seq = 1; seq <= 230; seq += 1) {
    if (seq === 100) {
      const bytes = Uint8Array.from({ length: 70_000 }, (_, n) => n % 251);
      await send(seq, { type: 3, message: `/v1/image/${seq}`, image: { contentType: 'image/gif', bytes } });
    } else if (seq === 101)
      await send(seq, { meta: { list: [1, { deep: 'ü' }], 'a.b': null }, inReplyTo: `${open}-100` });
    else if (seq === 102)
      await send(seq, { bot: { name: 'Stock' }, origin: 'irc', type: 2, message: 'https://x.example' });
    else await send(seq);
  }
  await store.editMessage(open, `${open}-103`, 'edited', 1);
  await store.deleteMessage(open, `${open}-104`);
  await store.markRead(open, 'bob', 120);
  await store.trim(open, 51);
  return { open, closed };
}

export async function exported(archive: Archive, rooms?: readonly string[]): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of exportRooms(archive, rooms, { rooms: 0, messages: 0 })) lines.push(JSON.stringify(line));
  return lines;
}

export async function imported(archive: Archive, lines: readonly string[], epoch = 'new') {
  const counts = { rooms: 0, messages: 0 };
  await importRooms(
    archive,
    (async function* () {
      yield* lines;
    })(),
    () => epoch,
    counts,
  );
  return counts;
}
