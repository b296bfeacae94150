/**
 * A process that holds a store's folder until its input ends: `sqlite-server.ts DIR ADDRESS [append]`. It says
 * `open`, and with `append` the seq and id of each message it got an acknowledgement for.
 */
import { randomUUID } from 'node:crypto';
import { FolderInUse } from '../../src/drivers/store/sqlite/folder-lock.ts';
import { SqliteStore } from '../../src/drivers/store/sqlite/sqlite-store.ts';
import { SqliteWriter } from '../../src/drivers/store/sqlite/sqlite-writer.ts';

const ROOM = 'room';
const APPENDERS = 16;
const [, , dir = '', address = '', mode] = process.argv;
const createdAt = new Date().toISOString();

const appendForEver = async (store: SqliteStore, owner: string): Promise<never> => {
  for (;;) {
    const { seq, id } = await store.append({
      id: randomUUID(),
      chatroom: ROOM,
      owner,
      ownerName: owner,
      type: 1,
      message: 'x'.repeat(200),
      createdAt,
      clientId: randomUUID(),
      fingerprint: 'f',
    });
    process.stdout.write(`${seq} ${id}\n`);
  }
};

try {
  const writer = await SqliteWriter.open(dir);
  writer.lock.announce(address);
  process.stdin.on('end', () => void writer.close().then(() => process.exit(0)));
  process.stdin.resume();
  process.stdout.write('open\n');
  if (mode === 'append') {
    const store = await SqliteStore.open(dir, writer.submit);
    if ((await store.viewRoom(ROOM, 'o')) === undefined) {
      const room = {
        id: ROOM,
        name: ROOM,
        nameKey: ROOM,
        topic: '',
        visibility: 'public',
        epoch: 'e',
        createdAt,
      } as const;
      await store.createRoom(room, { user: 'o', name: 'O' }, 10);
    }
    await Promise.all(Array.from({ length: APPENDERS }, (_, n) => appendForEver(store, `owner ${n}`)));
  }
} catch (error) {
  process.stdout.write(`${error instanceof FolderInUse ? error.message : String(error)}\n`);
  process.exitCode = 3;
}
