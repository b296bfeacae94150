import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, describe, it } from '@jest/globals';
import { GuardedDatabase } from '../../src/drivers/store/sqlite/guarded-database.ts';
import { SqliteWriter } from '../../src/drivers/store/sqlite/sqlite-writer.ts';
import { connect } from '../../src/sdk/client.ts';
import { verify } from '../../src/verify/verify.ts';
import { eventually } from '../support/eventually.ts';
import { createGuest, createRoom, readHistory, rest } from '../support/rest.ts';
import { runParley } from '../support/run-parley.ts';
import { startSenders } from '../support/senders.ts';
import { TestBed } from '../support/test-bed.ts';

const DAY_MS = 24 * 3_600_000;
const inOrder = (list: readonly { seq: number }[], from = 1): void =>
  assert.deepEqual(
    list.map(({ seq }) => seq),
    Array.from({ length: list.length }, (_, n) => n + from),
  );

describe('keeping the data of a real server', () => {
  let bed = new TestBed();
  afterEach(async () => {
    const used = bed;
    bed = new TestBed();
    await used.close();
  }, 30_000);

  it('backs up under load; what is restored goes on under new epochs, and clients load anew by themselves', async () => {
    let server = await bed.server({ INSTANCES: '2', LOG: 'warn' });
    const { url } = server;
    const { dataDir } = server.options;
    const env = { DATA_DIR: dataDir };
    const file = join(dataDir, 'copy.db');
    const owner = await createGuest(url, 'Owner');
    const room = await createRoom(url, owner.token, 'Back-up');
    const epochOf = async () =>
      (await rest<{ epoch: string }>(url, `GET /v1/chat/rooms/${room}`, { token: owner.token })).body.epoch;
    const epoch = await epochOf();
    const clients = await Promise.all(
      Array.from({ length: 3 }, async (_, n) => {
        const { token } = await createGuest(url, `Client ${n}`);
        return (await bed.client(url, token, { name: `client ${n}` }).online()).follow(room);
      }),
    );
    const typed = bed.own(connect(url, { token: owner.token }), (it) => it.close());
    const view = typed.messages(room);
    await view.ready();

    const acked = () => clients.flatMap((it) => it.acked);
    const senders = startSenders(clients, [room]);
    await eventually('the load runs', () => acked().length >= 30, 20_000);
    const before = acked();
    const backup = await runParley(['backup', file], env);
    assert.equal(backup.code, 0, backup.stderr);
    assert.equal((await runParley(['restore', file], env)).code, 1);
    const atBackup = acked().length;
    await eventually('the load goes on', () => acked().length >= atBackup + 20, 20_000);
    await senders.stop();
    for (const client of clients) await client.close();
    const total = acked().length;
    await eventually('the typed client has all', () => view.list.at(-1)?.seq === total, 10_000);

    assert.equal((await server.stop()).code, 0);
    const restored = await runParley(['restore', file], env);
    assert.equal(restored.code, 0, restored.stderr);
    const check = new GuardedDatabase(join(dataDir, 'parley.db'), 1000);
    assert.deepEqual(check.all('PRAGMA integrity_check'), [{ integrity_check: 'ok' }]);
    check.close();

    server = await bed.again(server);
    assert.notEqual(await epochOf(), epoch);
    const history = await readHistory(url, owner.token, room);
    inOrder(history);
    const ids = new Set(history.map(({ clientId }) => clientId));
    for (const { clientId } of before) assert.ok(ids.has(clientId), 'a message of before the back-up is gone');
    assert.ok(history.length < total, 'what came after the back-up is there');
    await eventually('the typed client has loaded anew', () => view.list.at(-1)?.id === history.at(-1)?.id, 20_000);
    assert.deepEqual(
      view.list.map(({ id }) => id),
      history.slice(-view.list.length).map(({ id }) => id),
    );
    const sent = await typed.send(room, 'after');
    assert.ok('seq' in sent);
    assert.equal(sent.seq, history.length + 1);
    await eventually('the typed client follows', () => view.list.at(-1)?.seq === sent.seq, 10_000);

    const load = { clients: 4, rooms: 1, seconds: 4, rate: 10, dropsPerMinute: 30, seed: 3 };
    const result = await verify({ url, ...load }, () => {});
    assert.deepEqual(result.findings, { broken: [], lost: [], different: [], faults: [] });
    assert.equal(result.ok, true);
  }, 120_000);

  it('exports while it runs, and imports into another folder that nobody uses', async () => {
    const server = await bed.server({ LOG: 'warn' });
    const owner = await createGuest(server.url, 'Owner');
    const room = await createRoom(server.url, owner.token, 'Export');
    const client = await (await bed.client(server.url, owner.token).online()).follow(room);
    for (let n = 0; n < 20; n += 1) await client.send(room, `text ${n}`);
    const { dataDir } = server.options;
    const out = await runParley(['export', '--room', room], { DATA_DIR: dataDir });
    assert.equal(out.code, 0, out.stderr);
    assert.match(out.stderr, /export: 1 rooms with 20 messages/);
    assert.equal((await runParley(['export', '--room', 'nowhere'], { DATA_DIR: dataDir })).code, 1);

    const used = await runParley(['import'], { DATA_DIR: dataDir }, out.stdout);
    assert.equal(used.code, 1);
    assert.match(used.stderr, /is in use by another server/);
    const other = join(await bed.folder(), 'data');
    const first = await runParley(['import'], { DATA_DIR: other }, out.stdout);
    assert.equal(first.code, 0, first.stderr);
    const second = await runParley(['import'], { DATA_DIR: other }, out.stdout);
    assert.equal(second.code, 1);
    assert.match(second.stderr, /exists already/);
    const again = await runParley(['export'], { DATA_DIR: other });
    assert.equal(again.stdout, out.stdout);
  }, 60_000);

  it('removes what is older than RETENTION_DAYS when it starts, and clients go on behind it', async () => {
    const folder = await bed.folder();
    const room = 'old-room';
    const writer = await SqliteWriter.open(join(folder, 'data'));
    const old = new Date(Date.now() - 3 * DAY_MS).toISOString();
    const facts = { id: room, name: 'Old', nameKey: 'old', topic: '', visibility: 'public', epoch: 'e' } as const;
    await writer.submit({ name: 'createRoom', args: [{ ...facts, createdAt: old }, { user: 'u', name: 'U' }, 10] });
    const send = (n: number, createdAt: string) =>
      writer.submit({
        name: 'append',
        args: [
          {
            ...{ id: randomUUID(), chatroom: room, owner: 'u', ownerName: 'U', type: 1, message: `${n}` },
            ...{ createdAt, clientId: `${n}`, fingerprint: 'f' },
          },
        ],
      });
    await Promise.all(Array.from({ length: 700 }, (_, n) => send(n, old)));
    await Promise.all(Array.from({ length: 10 }, (_, n) => send(700 + n, new Date().toISOString())));
    await writer.close();

    const server = await bed.server({
      DATA_DIR: join(folder, 'data'),
      INSTANCES: '2',
      LOG: 'info',
      RETENTION_DAYS: '1',
    });
    const { token } = await createGuest(server.url, 'Reader');
    await eventually('it is removed', () => /removed what was too old/.test(server.output), 20_000);
    const messages = `/v1/chat/rooms/${room}/messages`;
    const { body } = await rest<{ firstSeq: number; messages: { seq: number }[]; hasMore: boolean }>(
      server.url,
      `GET ${messages}?order=asc`,
      { token },
    );
    assert.deepEqual([body.firstSeq, body.messages[0]?.seq, body.hasMore], [701, 701, false]);
    inOrder(body.messages, 701);
    const sync = await rest<{ rooms: Record<string, { truncated?: boolean; messages: { seq: number }[] }> }>(
      server.url,
      'POST /v1/chat/sync',
      { token, body: { rooms: { [room]: 5 } } },
    );
    assert.deepEqual([sync.body.rooms[room]?.truncated, sync.body.rooms[room]?.messages[0]?.seq], [true, 701]);
    const typed = bed.own(connect(server.url, { token }), (it) => it.close());
    await typed.join(room);
    const view = typed.messages(room);
    await view.ready();
    inOrder(view.list, 701);
    assert.equal(await view.loadOlder(), 0);
    assert.equal(view.hasOlder, false);
    const sent = await typed.send(room, 'on it goes');
    assert.ok('seq' in sent);
    assert.equal(sent.seq, 711);
  }, 60_000);
});
