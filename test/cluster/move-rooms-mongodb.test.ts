import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { SqliteArchive } from '../../src/drivers/store/sqlite/sqlite-archive.ts';
import { SqliteStore } from '../../src/drivers/store/sqlite/sqlite-store.ts';
import { SqliteWriter } from '../../src/drivers/store/sqlite/sqlite-writer.ts';
import { exported, fillForArchive } from '../support/archive-source.ts';
import { engines } from '../support/engines.ts';
import { dropDatabase } from '../support/mongo-database.ts';
import { runParley } from '../support/run-parley.ts';
import { runScript } from '../support/run-script.ts';

describe('parley export and import', () => {
  let dir: string;
  let uri: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'parley-move-'));
    uri = engines.mongodb(`parley_${randomUUID().replaceAll('-', '')}`);
    await runScript('scripts/build-if-needed.js');
  }, 60_000);
  afterEach(async () => {
    await rm(dir, { recursive: true });
    await dropDatabase(uri);
  }, 30_000);

  it('carries the rooms of a SQLite folder to MongoDB', async () => {
    const writer = await SqliteWriter.open(dir);
    const store = await SqliteStore.open(dir, writer.submit);
    await fillForArchive(store);
    await store.close();
    await writer.close();
    const out = await runParley(['export'], { DATA_DIR: dir });
    assert.equal(out.code, 0, out.stderr);
    const into = await runParley(['import'], { MONGODB_URI: uri }, out.stdout);
    assert.equal(into.code, 0, into.stderr);
    assert.match(into.stderr, /import: 2 rooms with 180 messages/);
    const back = await runParley(['export'], { MONGODB_URI: uri });
    assert.equal(back.code, 0, back.stderr);
    const archive = SqliteArchive.openForReading(dir);
    const lines = await exported(archive).finally(() => archive.close());
    const parsed = (text: readonly string[]): unknown[] => text.map((it) => JSON.parse(it));
    assert.deepEqual(parsed(back.stdout.trim().split('\n')), parsed(lines));
  }, 60_000);
});
