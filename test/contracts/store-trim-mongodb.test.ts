import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import mongoose, { type Connection } from 'mongoose';
import type { Log } from '../../src/chat/ports/log.ts';
import { MongoStore } from '../../src/drivers/store/mongodb/mongo-store.ts';
import { engines } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { dropDatabase } from '../support/mongo-database.ts';
import { at, newRoom } from '../support/store-data.ts';

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };
const ROOM = 'trimmed';

describe('the MongoDB store: what was given up', () => {
  let uri: string;
  let raw: Connection;
  let stores: MongoStore[];

  beforeEach(async () => {
    uri = engines.mongodb(`parley_${randomUUID().replaceAll('-', '')}`);
    raw = await mongoose.createConnection(uri).asPromise();
    stores = [];
  });
  afterEach(async () => {
    for (const it of stores) await it.close();
    await raw.close();
    await dropDatabase(uri);
  }, 30_000);

  const openStore = async (): Promise<MongoStore> => {
    const store = MongoStore.open({ uri, log: silent });
    stores.push(store);
    await eventually('the store is reached', () => store.reach === 'here', 15_000);
    return store;
  };
  const send = (store: MongoStore, n: number) =>
    store.append({
      ...{ id: randomUUID(), chatroom: ROOM, owner: 'ada', ownerName: 'Ada', type: 3, message: `${n}`, createdAt: at },
      ...{ clientId: `c${n}`, fingerprint: 'f', image: { contentType: 'image/png', bytes: Buffer.from(`${n}`) } },
    });
  const count = async () => [
    await raw.collection('entries').countDocuments({ seq: { $gt: 0 } }),
    await raw.collection('image_parts').countDocuments({}),
  ];
  const open = async (messages: number): Promise<MongoStore> => {
    const store = await openStore();
    await store.createRoom(newRoom({ id: ROOM }), { user: 'ada', name: 'Ada' }, 10);
    await Promise.all(Array.from({ length: messages }, (_, n) => send(store, n + 1)));
    return store;
  };

  it('stays while some process may guess a seq there, and is removed afterwards with its pictures', async () => {
    const store = await open(30);
    await store.trim(ROOM, 21);
    await openStore(); // removes what is due
    expect(await count()).toEqual([30, 30]);
    await raw.collection('rooms').updateOne({ id: ROOM }, { $set: { trimmedAt: Date.now() - 3_600_000 } });
    const later = await openStore();
    await eventually('all is removed', async () => (await count()).every((it) => it === 10), 10_000);
    expect((await later.messages(ROOM, { from: 1, to: 100, order: 'asc', limit: 100 })).map(({ seq }) => seq)).toEqual(
      Array.from({ length: 10 }, (_, n) => n + 21),
    );
    await eventually(
      'the room is done with',
      async () => (await raw.collection('rooms').findOne({ id: ROOM }))?.trimmedAt === undefined,
    );
  }, 30_000);

  it('keeps the order of a store that knew the room before all of it was given up', async () => {
    const store = await open(5);
    const idle = await openStore();
    expect((await idle.heads([ROOM])).get(ROOM)?.headSeq).toBe(5);
    await store.trim(ROOM, 6);
    await raw.collection('rooms').updateOne({ id: ROOM }, { $set: { trimmedAt: Date.now() - 3_600_000 } });
    await openStore();
    await eventually('all is removed', async () => (await count())[0] === 0, 10_000);
    expect(await send(idle, 6)).toMatchObject({ seq: 6 });
    expect(await send(await openStore(), 7)).toMatchObject({ seq: 7 });
  }, 30_000);
});
