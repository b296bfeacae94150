import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { NewMessage } from '../../src/chat/model.ts';
import { FolderInUse, FolderLock } from '../../src/drivers/store/sqlite/folder-lock.ts';
import { GuardedDatabase, Unstorable } from '../../src/drivers/store/sqlite/guarded-database.ts';
import { openForReading, openForWriting } from '../../src/drivers/store/sqlite/schema.ts';
import { MESSAGE_WINDOW, SqliteStore } from '../../src/drivers/store/sqlite/sqlite-store.ts';
import { DATABASE_FILE, SqliteWriter } from '../../src/drivers/store/sqlite/sqlite-writer.ts';
import { type OpenStore, storeContract } from './store-contract.ts';

const newFolder = () => mkdtempSync(join(tmpdir(), 'parley-sqlite-'));

/** The writer with its connection laid open, to break things with. */
function openWriter(dir: string): { writer: SqliteWriter; db: GuardedDatabase } {
  const lock = FolderLock.acquire(dir);
  const db = openForWriting(join(dir, DATABASE_FILE));
  return { writer: new SqliteWriter(db, lock), db };
}

async function openStore(): Promise<OpenStore> {
  const dir = newFolder();
  let { writer, db } = openWriter(dir);
  const stores: SqliteStore[] = [];
  const another = async () => {
    const store = await SqliteStore.open(dir, (write) => writer.submit(structuredClone(write)).then(structuredClone));
    stores.push(store);
    return store;
  };
  const closeAll = async () => {
    for (const it of stores.splice(0)) await it.close();
    await writer.close();
  };
  return {
    store: await another(),
    another,
    async reopen() {
      await closeAll();
      ({ writer, db } = openWriter(dir));
      return another();
    },
    async breakDown() {
      db.exec('PRAGMA query_only = ON');
    },
    async recover() {
      db.exec('PRAGMA query_only = OFF');
    },
    async close() {
      await closeAll();
      rmSync(dir, { recursive: true });
    },
  };
}

storeContract('sqlite', openStore);

const ROOM = 'room';
const at = '2026-01-02T03:04:05.678Z';
const everything = { from: 1, to: Number.MAX_SAFE_INTEGER, order: 'asc', limit: 1_000_000 } as const;
const draft = (id: string, over: Partial<NewMessage> = {}): NewMessage => ({
  id,
  chatroom: ROOM,
  owner: 'ada',
  ownerName: 'Ada',
  type: 1,
  message: 'hello',
  createdAt: at,
  clientId: id,
  fingerprint: 'f',
  ...over,
});

describe('SqliteWriter', () => {
  let dir: string;
  let writer: SqliteWriter;
  let db: GuardedDatabase;
  let store: SqliteStore;

  beforeEach(async () => {
    dir = newFolder();
    ({ writer, db } = openWriter(dir));
    store = await SqliteStore.open(dir, writer.submit);
    await store.createRoom(
      { id: ROOM, name: ROOM, nameKey: ROOM, topic: '', visibility: 'public', epoch: 'e', createdAt: at },
      { user: 'ada', name: 'Ada' },
      10,
    );
  });
  afterEach(async () => {
    await store.close();
    await writer.close();
    rmSync(dir, { recursive: true });
  });

  const seqs = async () => (await store.messages(ROOM, everything)).map(({ seq }) => seq);
  const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

  it('commits what comes within one turn together, and no more than 512 at once', async () => {
    const { batches, writes } = writer.stats;
    await Promise.all(upTo(300).map((n) => store.append(draft(`m${n}`, { message: 'x' }))));
    const together = writer.stats.batches - batches;
    expect(writer.stats.writes - writes).toBe(300);
    expect(together).toBeLessThan(100);
    await Promise.all(upTo(1100).map((n) => store.append(draft(`n${n}`))));
    expect(writer.stats.batches - batches - together).toBeGreaterThanOrEqual(3);
    expect(await seqs()).toEqual(upTo(1400));
  });

  it('lets a refusal answer its own write only', async () => {
    const answers = await writer.submitAll([
      { name: 'append', args: [draft('a')] },
      { name: 'append', args: [draft('b', { clientId: 'a', fingerprint: 'other' })] },
      { name: 'append', args: [draft('c', { chatroom: 'nowhere' })] },
      { name: 'append', args: [draft('d')] },
      { name: 'markRead', args: [ROOM, 'ada', 2] },
    ]);
    expect(answers).toMatchObject([
      { value: { id: 'a', seq: 1 } },
      { reason: { code: 'idempotency_conflict' } },
      { reason: { code: 'invalid_chatroom' } },
      { value: { id: 'd', seq: 2 } },
      { value: 2 },
    ]);
    expect(await seqs()).toEqual([1, 2]);
  });

  it('fails a write that breaks alone, and runs the rest of its batch again', async () => {
    const answers = await writer.submitAll([
      { name: 'append', args: [draft('a')] },
      { name: 'append', args: [draft('a', { clientId: 'same id' })] },
      { name: 'append', args: [draft('b')] },
      { name: 'append', args: [draft('c', { message: 'cut\0here' })] },
      { name: 'append', args: [draft('d')] },
    ]);
    expect(answers).toMatchObject([
      { value: { id: 'a', seq: 1, replayed: false } },
      { reason: { code: 'internal' } },
      { value: { id: 'b', seq: 2, replayed: false } },
      { reason: { code: 'invalid_fields' } },
      { value: { id: 'd', seq: 3, replayed: false } },
    ]);
    expect((await store.messages(ROOM, everything)).map(({ id }) => id)).toEqual(['a', 'b', 'd']);
  });

  it('takes a batch back when the disk is full, and goes on when there is room again', async () => {
    await store.append(draft('before'));
    const pages = db.first<{ page_count: number }>('PRAGMA page_count')?.page_count ?? 0;
    db.exec(`PRAGMA max_page_count = ${pages + 2}`);
    const big = upTo(20).map((n) => draft(`big ${n}`, { message: 'x'.repeat(5000) }));
    for (let round = 0; round < 2; round++) {
      const tried = await Promise.allSettled(big.map((it) => store.append(it)));
      for (const it of tried) expect(it).toMatchObject({ status: 'rejected', reason: { code: 'try_again' } });
      expect(await seqs()).toEqual([1]);
    }
    expect(writer.stats.failures).toBeGreaterThan(0);
    db.exec('PRAGMA max_page_count = 1000000');
    await Promise.all(big.map((it) => store.append(it)));
    expect(await seqs()).toEqual(upTo(21));
  });

  it('takes a batch back when its commit fails', async () => {
    const exec = db.exec.bind(db);
    db.exec = (sql) => {
      if (sql === 'COMMIT') throw Object.assign(new Error('disk I/O error'), { rawCode: 1034 });
      exec(sql);
    };
    const tried = await Promise.allSettled(upTo(3).map((n) => store.append(draft(`m${n}`))));
    for (const it of tried) expect(it).toMatchObject({ status: 'rejected', reason: { code: 'try_again' } });
    db.exec = exec;
    expect(db.inTransaction).toBe(false);
    expect(await seqs()).toEqual([]);
    expect(await store.append(draft('m1'))).toMatchObject({ seq: 1, replayed: false });
  });

  it('commits what is queued before it closes, and takes nothing afterwards', async () => {
    const queued = store.append(draft('queued'));
    await writer.close();
    expect(await queued).toMatchObject({ seq: 1 });
    await expect(store.append(draft('late'))).rejects.toMatchObject({ code: 'try_again' });
  });

  it('sweeps what a deleted room leaves, little by little, across a restart too', async () => {
    const image = { contentType: 'image/png', bytes: Uint8Array.of(1) } as const;
    await Promise.all(upTo(350).map((n) => store.append(draft(`m${n}`, { type: 3, image }))));
    const left = () =>
      db.first<{ n: number }>(
        'SELECT (SELECT count(*) FROM messages) + (SELECT count(*) FROM images) + (SELECT count(*) FROM deleted_rooms) AS n',
      )?.n;
    expect(left()).toBe(700);
    await store.deleteRoom(ROOM);
    await store.close();
    await writer.close();
    ({ writer, db } = openWriter(dir));
    store = await SqliteStore.open(dir, writer.submit);
    for (let turn = 0; left() !== 0 && turn < 100; turn++) await store.revoke('a turn of the writer', turn);
    expect(left()).toBe(0);
  });

  it('reads windows and changes by index, without sorting', () => {
    for (const sql of Object.values(MESSAGE_WINDOW)) {
      const plan = db.all<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`, [ROOM, 1, 2, 3]).map(({ detail }) => detail);
      expect(plan[0]).toMatch(/^SEARCH messages USING INDEX .*\(room=\? AND seq>\? AND seq<\?\)$/);
      expect(plan.join()).not.toMatch(/SCAN|TEMP B-TREE/);
    }
  });

  it('writes a few pages for a batch, however many send', async () => {
    let sent = 0;
    const appendBatch = () =>
      Promise.all(
        upTo(64).map((sender) => {
          sent += 1;
          // Ids grow with time, as those of this project's clients.
          const id = String(sent).padStart(36, '0');
          return store.append(draft(id, { owner: `sender ${sender} `.padEnd(38, '-') }));
        }),
      );
    for (let n = 0; n < 80; n++) await appendBatch();
    db.all('PRAGMA wal_checkpoint(TRUNCATE)');
    await appendBatch();
    const [log] = db.all<{ log: number }>('PRAGMA wal_checkpoint(PASSIVE)');
    expect(log?.log).toBeGreaterThan(0);
    expect(log?.log).toBeLessThan(32);
  });

  it('gives readers no way to write', () => {
    const reader = openForReading(join(dir, DATABASE_FILE));
    try {
      expect(() => reader.run('DELETE FROM rooms')).toThrow(/readonly/);
    } finally {
      reader.close();
    }
  });

  it('refuses a file of a newer version', async () => {
    db.exec('PRAGMA user_version = 99');
    await expect(SqliteStore.open(dir, writer.submit)).rejects.toThrow(/version 99/);
    await writer.close();
    await expect(SqliteWriter.open(dir)).rejects.toThrow(/newer version/);
    const fixed = new GuardedDatabase(join(dir, DATABASE_FILE), 0);
    fixed.exec('PRAGMA user_version = 1');
    fixed.close();
    await (await SqliteWriter.open(dir)).close();
  });
});

describe('GuardedDatabase', () => {
  it('lets nothing through that the binding cannot take', () => {
    const db = new GuardedDatabase(':memory:', 0);
    try {
      const wrong: unknown[] = [true, new Date(), {}, [], undefined, Number.NaN, 0.5, 2 ** 53, 'a\0b', '\ud800', 1n];
      for (const it of wrong) expect(() => db.first('SELECT ? AS it', [it as string])).toThrow(Unstorable);
      const right = [null, 0, -1, Number.MAX_SAFE_INTEGER, '', 'é😀'];
      for (const it of right) expect(db.first('SELECT ? AS it', [it])).toStrictEqual({ it });
      const bytes = Uint8Array.of(0, 1, 2, 3).subarray(1, 3);
      const [row] = db.all<{ it: ArrayBuffer }>('SELECT ? AS it', [bytes]);
      expect([...new Uint8Array(row?.it ?? new ArrayBuffer(0))]).toEqual([1, 2]);
    } finally {
      db.close();
    }
  });
});

describe('processes on one folder', () => {
  const loader = fileURLToPath(new URL('../support/typescript-loader.js', import.meta.url));
  const program = fileURLToPath(new URL('../support/sqlite-server.ts', import.meta.url));
  let dir: string;
  let running: ChildProcess[];

  beforeEach(() => {
    dir = newFolder();
    running = [];
  });
  afterEach(async () => {
    for (const it of running) await kill(it);
    rmSync(dir, { recursive: true });
  });

  const kill = async (it: ChildProcess) => {
    if (it.exitCode !== null || it.signalCode !== null) return;
    const exited = once(it, 'exit');
    it.kill('SIGKILL');
    await exited;
  };

  const start = (address: string, ...mode: string[]) => {
    const child = spawn(process.execPath, ['--import', loader, program, dir, address, ...mode], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    running.push(child);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return { child, next: async (): Promise<string | undefined> => (await lines.next()).value };
  };

  it('refuses a second server, naming the first, until that has ended, however it ends', async () => {
    const first = start('http://127.0.0.1:4711');
    expect(await first.next()).toBe('open');
    const second = start('http://127.0.0.1:4712');
    const refusal = await second.next();
    expect(refusal).toContain(dir);
    expect(refusal).toContain(`process ${first.child.pid}`);
    expect(refusal).toContain('http://127.0.0.1:4711');
    await expect(SqliteWriter.open(dir)).rejects.toThrow(FolderInUse);

    await kill(first.child);
    const third = start('http://127.0.0.1:4713');
    expect(await third.next()).toBe('open');
    await expect(SqliteWriter.open(dir)).rejects.toThrow(`process ${third.child.pid}`);
    third.child.stdin?.end();
    await once(third.child, 'exit');
    expect(third.child.exitCode).toBe(0);

    const own = await SqliteWriter.open(dir);
    await expect(SqliteWriter.open(dir)).rejects.toThrow(`process ${process.pid}`);
    expect(JSON.parse(readFileSync(join(dir, 'server.json'), 'utf8'))).toMatchObject({ pid: process.pid });
    // The refused attempt of this very process has not loosened the lock for others.
    expect(await start('http://127.0.0.1:4714').next()).toContain(`process ${process.pid}`);
    await own.close();
  });

  it('keeps every acknowledged message through kill -9, without holes', async () => {
    const acknowledged = new Map<number, string>();
    for (let round = 0; round < 3; round++) {
      const { child, next } = start('', 'append');
      expect(await next()).toBe('open');
      const readTo = acknowledged.size + 300;
      let line: string | undefined = '';
      while (line !== undefined) {
        line = await next();
        const [seq, id] = line?.split(' ') ?? [];
        // The last line may have been cut by the kill.
        if (id?.length === 36) acknowledged.set(Number(seq), id);
        if (acknowledged.size === readTo) child.kill('SIGKILL');
      }
      await kill(child);
    }
    const writer = await SqliteWriter.open(dir);
    const store = await SqliteStore.open(dir, writer.submit);
    try {
      const kept = await store.messages(ROOM, everything);
      expect(kept.map(({ seq }) => seq)).toEqual(kept.map((_, i) => i + 1));
      expect(kept.length).toBeGreaterThanOrEqual(900);
      for (const [seq, id] of acknowledged) expect(kept[seq - 1]?.id).toBe(id);
    } finally {
      await store.close();
      await writer.close();
    }
  });
});
