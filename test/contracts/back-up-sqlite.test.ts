import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { backUp, restore } from '../../src/drivers/store/sqlite/back-up.ts';
import { SqliteStore } from '../../src/drivers/store/sqlite/sqlite-store.ts';
import { SqliteWriter } from '../../src/drivers/store/sqlite/sqlite-writer.ts';
import { at, newRoom } from '../support/store-data.ts';

const ROOM = 'room';

describe('backing up the embedded store', () => {
  let dir: string;
  let file: string;
  let writer: SqliteWriter;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'parley-backup-'));
    file = join(dir, 'copy.db');
    writer = await SqliteWriter.open(dir);
    await writer.submit({ name: 'createRoom', args: [newRoom({ id: ROOM }), { user: 'ada', name: 'Ada' }, 10] });
  });
  afterEach(async () => {
    await writer.close();
    rmSync(dir, { recursive: true });
  });

  const send = () =>
    writer.submit({
      name: 'append',
      args: [
        {
          ...{ id: randomUUID(), chatroom: ROOM, owner: 'ada', ownerName: 'Ada', type: 1, message: 'text' },
          ...{ createdAt: at, clientId: randomUUID(), fingerprint: 'f' },
        },
      ],
    });
  const seqs = async () => {
    const store = await SqliteStore.open(dir, writer.submit);
    const messages = await store.messages(ROOM, { from: 1, to: 1000, order: 'asc', limit: 1000 });
    const head = (await store.heads([ROOM])).get(ROOM);
    await store.close();
    return { seqs: messages.map(({ seq }) => seq), epoch: head?.epoch };
  };
  const range = (to: number) => Array.from({ length: to }, (_, n) => n + 1);

  it('has all that was committed before, in a file of its own that only its owner reads', async () => {
    for (let n = 0; n < 20; n++) await send();
    expect(backUp(dir, file)).toEqual({ rooms: 1, messages: 20 });
    await send();
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(dir).filter((it) => it.includes('unfinished'))).toEqual([]);
    await writer.close();
    expect(restore(dir, file, () => 'new epoch')).toEqual({ rooms: 1, messages: 20 });
    expect(readdirSync(dir).sort()).toEqual(['copy.db', 'lock.db', 'parley.db']);
    writer = await SqliteWriter.open(dir);
    expect(await seqs()).toEqual({ seqs: range(20), epoch: 'new epoch' });
    expect(await send()).toMatchObject({ seq: 21 });
  });

  it('replaces no file and is refused where there is nothing', () => {
    writeFileSync(file, 'something else');
    expect(() => backUp(dir, file)).toThrow('exists already');
    expect(readFileSync(file, 'utf8')).toBe('something else');
    expect(() => backUp(join(dir, 'nowhere'), join(dir, 'x.db'))).toThrow('there is no database');
    expect(() => backUp(dir, join(dir, 'no folder', 'x.db'))).toThrow();
  });

  it('is not restored under a running server', () => {
    backUp(dir, file);
    expect(() => restore(dir, file, () => 'e2')).toThrow('is in use by another server');
  });

  it('leaves what is there when the back-up is damaged, foreign or missing', async () => {
    for (let n = 0; n < 300; n++) await send();
    backUp(dir, file);
    await send();
    await writer.close();
    const damaged = join(dir, 'damaged.db');
    const bytes = readFileSync(file);
    bytes.fill(7, 4096 * 4, 4096 * 6);
    writeFileSync(damaged, bytes);
    expect(() => restore(dir, damaged, () => 'e2')).toThrow('damaged.db');
    truncateSync(file, 10_000);
    expect(() => restore(dir, file, () => 'e2')).toThrow();
    writeFileSync(file, 'no database at all, only some text');
    expect(() => restore(dir, file, () => 'e2')).toThrow('no whole database');
    expect(() => restore(dir, join(dir, 'none.db'), () => 'e2')).toThrow('no such file');
    writer = await SqliteWriter.open(dir);
    expect(await seqs()).toEqual({ seqs: range(301), epoch: 'e1' });
  });

  it('takes the place of a database that is damaged, its log with it', async () => {
    for (let n = 0; n < 5; n++) await send();
    backUp(dir, file);
    await writer.close();
    writeFileSync(join(dir, 'parley.db'), Buffer.alloc(8192, 1));
    writeFileSync(join(dir, 'parley.db-wal'), Buffer.alloc(8192, 2));
    restore(dir, file, () => 'e2');
    writer = await SqliteWriter.open(dir);
    expect(await seqs()).toEqual({ seqs: range(5), epoch: 'e2' });
  });
});
