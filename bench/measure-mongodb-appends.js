import { randomUUID } from 'node:crypto';
import mongoose from 'mongoose';
import { newId } from '../dist/chat/new-id.js';
import { MongoStore } from '../dist/drivers/store/mongodb/mongo-store.js';

const TEXT = 'A line of chat of about eighty characters, as people write them all day long.';
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

/** Those of the store's own collection of messages, by the names that the fields have here. */
const INDEXES = [
  [{ chatroom: 1, seq: 1 }, { unique: true }],
  [{ chatroom: 1, owner: 1, clientId: 1 }, { unique: true }],
  [{ changedIn: 1, rev: 1 }, { sparse: true }],
  [{ open: 1 }, { sparse: true }],
  [{ settled: 1 }, { sparse: true }],
];

/** Runs `append` from `inFlight` lanes at once; resolves with how many a second. */
async function perSecond(seconds, inFlight, append) {
  let done = 0;
  const startedAt = performance.now();
  const endsAt = startedAt + seconds * 1000;
  const lane = async (at) => {
    for (let n = at; performance.now() < endsAt; n += inFlight) {
      await append(n);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, (_, at) => lane(at)));
  return done / ((performance.now() - startedAt) / 1000);
}

/** The store against one `insertOne` per message under the same write concern and indexes, one after the other. */
export async function measureMongodbAppends({ uri, seconds, inFlight, rooms: count }) {
  const store = MongoStore.open({ uri, log: quiet });
  const plain = await mongoose.createConnection(uri, { retryWrites: false }).asPromise();
  try {
    while (store.reach !== 'here') await new Promise((resolve) => setTimeout(resolve, 20));
    const rooms = [];
    for (let i = 0; i < count; i += 1) {
      const id = randomUUID();
      const createdAt = new Date().toISOString();
      const room = { id, name: id, nameKey: id, topic: '', visibility: 'public', epoch: 'bench', createdAt };
      rooms.push((await store.createRoom(room, { user: 'bench', name: 'bench' }, count + 1)).id);
    }
    const draft = (n) => {
      const id = newId(Date.now());
      return {
        id,
        chatroom: rooms[n % count],
        owner: 'bench',
        ownerName: 'bench',
        type: 1,
        message: TEXT,
        createdAt: new Date().toISOString(),
        clientId: id,
        fingerprint: 'bench',
      };
    };
    const collection = plain.collection('plain_messages');
    for (const [key, options] of INDEXES) await collection.createIndex(key, options);
    const writeConcern = { w: 'majority', j: true };
    let seq = 0;
    const insertOne = (n) => {
      seq += 1;
      return collection.insertOne({ ...draft(n), seq }, { writeConcern });
    };

    // As the server does, which follows its rooms.
    const heads = new Map(rooms.map((it) => [it, 0]));
    const append = async (n) => {
      const message = draft(n);
      const { seq: own } = await store.append(message, heads.get(message.chatroom));
      heads.set(message.chatroom, Math.max(own, heads.get(message.chatroom)));
    };

    await perSecond(1, inFlight, append); // warm
    await perSecond(1, inFlight, insertOne);
    return {
      plain: await perSecond(seconds, inFlight, insertOne),
      store: await perSecond(seconds, inFlight, append),
    };
  } finally {
    await plain.dropDatabase().catch(() => {});
    await plain.close();
    await store.close();
  }
}
