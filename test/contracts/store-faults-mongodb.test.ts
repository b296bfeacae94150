import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Log } from '../../src/chat/ports/log.ts';
import type { Store } from '../../src/chat/ports/store.ts';
import { MongoStore } from '../../src/drivers/store/mongodb/mongo-store.ts';
import { type Engine, startMongodb } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { withDatabase } from '../support/mongo-database.ts';
import { at, draft, newRoom } from '../support/store-data.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

const ada = { user: 'ada', name: 'Ada' };
const bob = { user: 'bob', name: 'Bob' };
const MANY = 500;
/** Whatever the engine does, a call ends within 5 s. */
const CALL_ENDS_MS = 5000;
const everything = { from: 1, to: Number.MAX_SAFE_INTEGER, order: 'asc', limit: 100_000 } as const;
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);
const tryAgain = { status: 'rejected', reason: { code: 'try_again', retry: true } };

interface Logged {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>> | undefined;
}

describe('MongoStore and an engine that fails', () => {
  let engine: Engine;
  let proxy: TcpProxy;
  let database: string;
  let logged: Logged[];
  let stores: MongoStore[];

  beforeAll(async () => {
    engine = await startMongodb();
  }, 60_000);
  afterAll(() => engine.stop(), 30_000);

  beforeEach(async () => {
    database = `faults_${randomUUID().replaceAll('-', '')}`;
    logged = [];
    stores = [];
    proxy = await startTcpProxy({ host: '127.0.0.1', port: engine.port });
  });
  afterEach(async () => {
    engine.thaw();
    proxy.heal();
    for (const it of stores) await it.close();
    await proxy.close();
  }, 30_000);

  const log: Log = {
    debug: () => {},
    info: (message, fields) => logged.push({ level: 'info', message, fields }),
    warn: (message, fields) => logged.push({ level: 'warn', message, fields }),
    error: (message, fields) => logged.push({ level: 'error', message, fields }),
  };
  const uriAt = (port: number, credentials = '') =>
    `mongodb://${credentials}127.0.0.1:${port}/${database}?directConnection=true`;
  const open = (uri = uriAt(engine.port), onBack?: () => void): MongoStore => {
    const store = MongoStore.open({ uri, log, ...(onBack && { onBack }) });
    stores.push(store);
    return store;
  };
  const reached = async (store: MongoStore, withinMs = 15_000) => {
    await eventually('the store is reached', () => store.reach === 'here', withinMs);
    return store;
  };
  const look = <R>(work: Parameters<typeof withDatabase<R>>[1]) => withDatabase<R>(uriAt(engine.port), work);

  /** Resends what was not acknowledged, as clients do, until it is; gives the receipts by clientId. */
  async function send(store: Store, room: string, sender: string, count: number, until: () => boolean) {
    const receipts = new Map<string, { id: string; seq: number }>();
    for (let n = 0; n < count || !until(); n++) {
      const clientId = `${sender}.${n}`;
      for (;;) {
        try {
          const { id, seq } = await store.append(draft(room, { owner: sender, clientId, message: clientId }));
          receipts.set(clientId, { id, seq });
          break;
        } catch (error) {
          expect(error).toMatchObject({ code: 'try_again' });
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    }
    return receipts;
  }

  async function expectWhole(
    store: Store,
    room: string,
    acknowledged: readonly Map<string, { id: string; seq: number }>[],
  ) {
    const kept = await store.messages(room, everything);
    expect(kept.map(({ seq }) => seq)).toEqual(upTo(kept.length));
    expect(new Set(kept.map(({ owner, clientId }) => `${owner} ${clientId}`)).size).toBe(kept.length);
    for (const receipts of acknowledged) {
      const seqs = [...receipts.values()].map(({ seq }) => seq);
      expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
      for (const [clientId, { id, seq }] of receipts) expect(kept[seq - 1]).toMatchObject({ id, clientId });
    }
    return kept;
  }

  it('is never here before the engine is, and usable within 5 s of it, without a word of the password', async () => {
    await engine.kill();
    let isBack = 0;
    const store = open(uriAt(engine.port, 'ada:s3cr%40t@'), () => {
      isBack += 1;
    });
    const plain = open(undefined, () => {
      isBack += 10;
    });
    expect(plain.reach).toBe('never');
    await expect(plain.viewRoom('room', 'ada')).rejects.toMatchObject({ code: 'try_again', retry: true });
    await eventually('both have said so', () => logged.filter(({ level }) => level === 'warn').length >= 2, 10_000);
    await engine.restart();
    await reached(plain, 5000);
    expect(isBack % 100).toBeGreaterThanOrEqual(10);
    const { id } = await plain.createRoom(newRoom(), ada, MANY);
    expect(await plain.append(draft(id))).toMatchObject({ seq: 1 });
    // One line per change, however often it was tried.
    expect(logged.filter(({ level }) => level === 'warn').length).toBeLessThanOrEqual(6);
    expect(JSON.stringify(logged)).not.toMatch(/s3cr(%40|@)t/);
    expect(store.reach).not.toBe('away');
  }, 60_000);

  it('ends every call within 5 s while the engine hangs, and goes on within 3 s after', async () => {
    const store = await reached(open());
    const { id } = await store.createRoom(newRoom(), ada, MANY);
    const message = draft(id);
    await store.append(message);
    engine.freeze();
    const image = { contentType: 'image/png', bytes: Uint8Array.of(1) } as const;
    const command = { user: 'ada', userName: 'Ada', command: 'x', args: '', message: '/x', deadline: 1, ticket: 't' };
    const member = { user: 'bob', name: 'Bob', at, role: 'member' } as const;
    const calls: (() => Promise<unknown>)[] = [
      () => store.createRoom(newRoom(), ada, MANY),
      () => store.viewRoom(id, 'ada'),
      () => store.patchRoom(id, { topic: 'x' }),
      () => store.deleteRoom(id),
      () => store.listRooms({ user: 'ada', scope: 'others', all: false, limit: 9 }),
      () => store.roomIdsOf('ada'),
      () => store.heads([id]),
      () => store.members(id),
      () => store.addMember(id, member, MANY),
      () => store.setRole(id, 'ada', 'member'),
      () => store.removeMember(id, 'bob'),
      () => store.ban(id, { user: 'bob', by: 'ada', at }),
      () => store.unban(id, 'bob'),
      () => store.append(draft(id)),
      () => store.append(draft(id, { type: 3, image })),
      () => store.findReceipt(id, 'ada', 'x'),
      () => store.messages(id, everything),
      () => store.message(id, message.id),
      () => store.image(id, message.id),
      () => store.editMessage(id, message.id, 'x', 1),
      () => store.deleteMessage(id, 'nothing'),
      () => store.changedSince(id, 0, 9),
      () => store.markRead(id, 'ada', 1),
      () => store.readMark(id, 'ada'),
      () => store.putCommand({ ...draft(id), ...command }),
      () => store.command('x'),
      () => store.openCommands(9),
      () => store.giveUpCommand('x'),
      () => store.revoke('user:x', 1),
      () => store.revocations(['user:x']),
    ];
    for (let round = 0; round < 2; round++) {
      const started = performance.now();
      const ended = await Promise.all(
        calls.map((call) => Promise.allSettled([call()]).then(([it]) => ({ it, ms: performance.now() - started }))),
      );
      for (const { it, ms } of ended) {
        expect(it).toMatchObject(tryAgain);
        expect(ms).toBeLessThan(CALL_ENDS_MS);
      }
    }
    expect(store.reach).toBe('away');
    engine.thaw();
    const receipt = await eventually('the first acknowledged', () => store.append(draft(id)), 3000).catch(
      async (error: unknown) => {
        // The room may have been deleted by the call that ended in try_again.
        if ((await store.viewRoom(id, 'ada')) !== undefined) throw error;
        return undefined;
      },
    );
    if (receipt !== undefined) await expectWhole(store, id, []);
    await eventually('ready again', () => store.reach === 'here', 3000);
  }, 60_000);

  it('lets no more than a thousand calls wait', async () => {
    const store = await reached(open(uriAt(proxy.port)));
    const { id } = await store.createRoom(newRoom(), ada, MANY);
    proxy.freeze();
    const started = performance.now();
    const outcomes = await Promise.all(
      upTo(1200).map((n) =>
        store.append(draft(id)).then(
          () => ({ n, code: 'stored', cause: '', ms: 0 }),
          ({ code, cause }) => ({ n, code, cause: String(cause), ms: performance.now() - started }),
        ),
      ),
    );
    expect(outcomes.filter(({ code }) => code !== 'try_again')).toEqual([]);
    expect(Math.max(...outcomes.map(({ ms }) => ms))).toBeLessThan(CALL_ENDS_MS);
    const refused = outcomes.filter(({ cause }) => cause.includes('too many'));
    expect(refused.map(({ n }) => n)).toEqual(upTo(1200).slice(1000));
    const waited = outcomes.slice(0, 1000).map(({ ms }) => ms);
    expect(Math.max(...refused.map(({ ms }) => ms))).toBeLessThan(Math.min(...waited));
    proxy.heal();
    await eventually('usable again', () => store.append(draft(id)));
    await eventually('all is whole', () => expectWhole(store, id, []));
  }, 60_000);

  it('gives the first receipt when the answer to the commit was lost', async () => {
    const store = await reached(open(uriAt(proxy.port)));
    const { id } = await store.createRoom(newRoom(), ada, MANY);
    await store.append(draft(id));
    const message = draft(id, { message: 'the lost one' });
    const sent = proxy.passed('the lost one');
    const lost = Promise.allSettled([store.append(message)]);
    await sent;
    proxy.swallowReplies();
    await eventually('it is stored', () => look((db) => db.collection('entries').findOne({ seq: 2 })));
    expect(await lost).toMatchObject([tryAgain]);
    proxy.heal();
    await reached(store);
    const again = await store.append({ ...message, id: randomUUID() });
    expect(again).toEqual({ id: message.id, seq: 2, createdAt: at, replayed: true });
    expect(await store.append(draft(id))).toMatchObject({ seq: 3 });
    await expectWhole(store, id, []);
  }, 60_000);

  it('loses, doubles and skips nothing while connections are cut and answers are lost', async () => {
    const [one, two] = [await reached(open(uriAt(proxy.port))), await reached(open(uriAt(proxy.port)))];
    const { id } = await one.createRoom(newRoom(), ada, MANY);
    let isOver = false;
    const senders = ['a', 'b', 'c', 'd'].map((it, i) => send(i % 2 ? one : two, id, it, 20, () => isOver));
    for (let round = 0; round < 4; round++) {
      await proxy.passed('insert');
      if (round % 2 === 0) proxy.cut();
      else {
        proxy.swallowReplies();
        await eventually('it was noticed', () => one.reach === 'away' || two.reach === 'away', 10_000);
        proxy.heal();
      }
      await eventually('both are back', () => one.reach === 'here' && two.reach === 'here', 10_000);
    }
    isOver = true;
    await expectWhole(one, id, await Promise.all(senders));
    expect(one.stats.failures + two.stats.failures).toBeGreaterThan(0);
  }, 120_000);

  it('loses, doubles and skips nothing when the engine is killed under load', async () => {
    const [one, two] = [await reached(open()), await reached(open())];
    const { id } = await one.createRoom(newRoom(), ada, MANY);
    let isOver = false;
    const senders = ['a', 'b', 'c', 'd', 'e', 'f'].map((it, i) => send(i % 2 ? one : two, id, it, 10, () => isOver));
    const head = async () => (await one.heads([id])).get(id)?.headSeq ?? 0;
    for (let round = 0; round < 3; round++) {
      const from = await eventually('the head can be read', async () => (await head()) + 1, 20_000);
      await eventually('some were stored', async () => (await head()) >= from + 20, 20_000);
      const { pid } = engine;
      await engine.kill();
      await eventually('the outage is seen', () => one.reach === 'away' && two.reach === 'away');
      await engine.restart();
      expect(engine.pid).not.toBe(pid);
      await reached(one, 5000);
      await reached(two, 5000);
    }
    isOver = true;
    const kept = await expectWhole(one, id, await Promise.all(senders));
    expect(kept.length).toBeGreaterThan(60);
  }, 180_000);

  it('appends from two instances, reading heads only where guesses collide', async () => {
    const [one, two] = [await reached(open()), await reached(open())];
    const { id } = await one.createRoom(newRoom(), ada, MANY);
    // In turns, each knowing from its feed what the other has stored.
    for (let seq = 1; seq <= 40; seq++) {
      const store = seq % 2 ? one : two;
      expect(await store.append(draft(id), seq - 1)).toMatchObject({ seq });
    }
    expect(one.stats.headReads + two.stats.headReads).toBeLessThanOrEqual(1);
    // All at once, knowing nothing: one batch after the other, whoever wins.
    const receipts = await Promise.all(
      upTo(200).map((n) => (n % 2 ? one : two).append(draft(id, { owner: `u${n % 7}`, message: `${n}` }))),
    );
    expect(receipts.map(({ seq }) => seq).toSorted((a, b) => a - b)).toEqual(upTo(240).slice(40));
    const kept = await expectWhole(one, id, []);
    for (const { id: message, seq } of receipts) expect(kept[seq - 1]?.id).toBe(message);
    expect(one.stats.headReads + two.stats.headReads).toBeLessThan(40);
    expect(one.stats.batches + two.stats.batches).toBeLessThan(80);
  }, 60_000);

  it('lets each of two instances in that write the same room all the time', async () => {
    const [busy, quiet] = [await reached(open()), await reached(open())];
    const { id } = await busy.createRoom(newRoom(), ada, MANY);
    let isOver = false;
    const keepsBusy = upTo(20).map(async () => {
      while (!isOver) await busy.append(draft(id));
    });
    await eventually('the busy one writes', () => busy.stats.writes > 100, 20_000);
    let slowest = 0;
    for (let n = 0; n < 30; n++) {
      const startedAt = performance.now();
      await quiet.append(draft(id));
      slowest = Math.max(slowest, performance.now() - startedAt);
    }
    isOver = true;
    await Promise.all(keepsBusy);
    expect(slowest).toBeLessThan(2000);
    expect(busy.stats.writes).toBeGreaterThan(quiet.stats.writes);
    await expectWhole(busy, id, []);
  }, 60_000);

  it('never puts a seq above the head where a room was made again under the same id', async () => {
    const [one, two] = [await reached(open()), await reached(open())];
    const { id } = await one.createRoom(newRoom(), ada, MANY);
    for (let seq = 1; seq <= 5; seq++) await one.append(draft(id));
    await two.deleteRoom(id);
    await expect(one.append(draft(id), 5)).rejects.toMatchObject({ code: 'invalid_chatroom' });
    await two.createRoom(newRoom({ id }), bob, MANY);
    for (let seq = 1; seq <= 3; seq++) await two.append(draft(id));
    expect(await one.append(draft(id))).toMatchObject({ seq: 4 });
    await expectWhole(one, id, []);
  }, 30_000);

  it('finishes what a process that died had decided', async () => {
    const store = await reached(open());
    const { id } = await store.createRoom(newRoom(), ada, MANY);
    const [picture, other] = [
      draft(id, { type: 3, image: { contentType: 'image/png', bytes: Uint8Array.of(1, 2) } }),
      draft(id),
    ];
    await store.append(picture);
    await store.append(other);
    const room = async () => (await store.viewRoom(id, 'ada'))?.room;
    const before = await room();
    /** What is there after the write that decides, and before all that follows. */
    const decide = (at: number, pending: object, set: object) =>
      look(async (db) => {
        const rooms = db.collection('rooms');
        const { modifiedCount } = await rooms.updateOne(
          { id },
          {
            $set: { ...set, pending: { at, standings: [], changes: [], rev: before?.rev ?? 0, ...pending } },
            $inc: { turn: 1 },
          },
        );
        expect(modifiedCount).toBe(1);
      });

    // Somebody else takes the next turn.
    const joins = { user: 'bob', name: 'Bob', role: 'member', joined: 5000, joinedAt: at, was: null };
    await decide(Date.now(), { standings: [joins] }, { count: 2 });
    expect(await store.removeMember(id, 'bob')).toEqual({ removed: true, name: 'Bob', count: 1 });
    expect(await store.members(id)).toEqual([{ ...ada, role: 'owner' }]);

    // Nobody takes a turn: a reader who sees it stuck puts it right.
    const [deletes, edits] = [
      { id: picture.id, was: null, rev: 1, hadImage: true },
      { id: other.id, was: null, rev: 2, hadImage: false, text: 'edited', type: 1 },
    ];
    await decide(Date.now() - 60_000, { changes: [deletes, edits], rev: 2 }, {});
    await eventually('the changes are made', async () => (await room())?.rev === 2);
    expect(await store.changedSince(id, 0, 9)).toMatchObject([
      { id: picture.id, rev: 1, deleted: true, message: '' },
      { id: other.id, rev: 2, message: 'edited' },
    ]);
    expect(await look((db) => db.collection('image_parts').countDocuments())).toBe(0);
    expect(await store.editMessage(id, other.id, 'again', 1)).toMatchObject({ rev: 3 });
    expect(await look((db) => db.collection('rooms').countDocuments({ pending: { $exists: true } }))).toBe(0);
  }, 30_000);

  it('sweeps what a deleted room leaves, and late comers after it', async () => {
    const store = await reached(open());
    const { id } = await store.createRoom(newRoom(), ada, MANY);
    const image = { contentType: 'image/png', bytes: Uint8Array.of(1) } as const;
    await Promise.all(upTo(250).map((n) => store.append(draft(id, n % 50 === 0 ? { type: 3, image } : {}))));
    await store.markRead(id, 'ada', 5);
    const left = (...names: string[]) =>
      look(async (db) => {
        const counts = await Promise.all(names.map((it) => db.collection(it).countDocuments()));
        return counts.reduce((sum, it) => sum + it, 0);
      });
    const belongings = ['entries', 'standings', 'image_parts', 'read_marks'];
    expect(await left(...belongings)).toBe(250 + 5 + 1 + 1);
    const key = await look(async (db) => (await db.collection('rooms').findOne({ id }))?._id);
    await store.deleteRoom(id);
    await eventually('all is swept', async () => (await left(...belongings)) === 0, 15_000);
    // An insert that was on its way arrives; the room is remembered for a while, and looked after again.
    expect(await left('rooms')).toBe(1);
    await look(async (db) => {
      await db.collection('entries').insertOne({ room: key, seq: 251, key: 'late' });
      await db.collection('rooms').updateOne({}, { $set: { goneAt: Date.now() - 120_000 } });
    });
    await reached(open());
    await eventually('nothing is left', async () => (await left('rooms', ...belongings)) === 0, 15_000);
  }, 60_000);

  it('keeps an image that is larger than a document may be', async () => {
    const store = await reached(open());
    const { id } = await store.createRoom(newRoom(), ada, MANY);
    const bytes = new Uint8Array(16 * 1024 * 1024);
    for (let i = 0; i < bytes.length; i += 4093) bytes[i] = i % 251;
    const picture = draft(id, { type: 3, image: { contentType: 'image/jpeg', bytes } });
    await store.append(picture);
    const image = await store.image(id, picture.id);
    expect(image?.contentType).toBe('image/jpeg');
    expect(Buffer.compare(image?.bytes ?? Buffer.alloc(0), bytes)).toBe(0);
    // A resend under the same key brings its bytes again, which belong to nothing.
    expect(await store.append({ ...picture, id: randomUUID() })).toMatchObject({ id: picture.id, replayed: true });
    expect(await look((db) => db.collection('image_parts').countDocuments())).toBe(4);
  }, 60_000);

  it('takes no operator for a value', async () => {
    const store = await reached(open());
    const { id } = await store.createRoom(newRoom(), ada, MANY);
    const message = draft(id);
    await store.append(message);
    const evil: unknown[] = [{ $ne: '' }, { $gt: '' }, { $regex: '.*' }, { $in: [id] }, [id], { $where: '1' }, 1, null];
    for (const it of evil) {
      // What a caller who checks nothing would hand on.
      const text = it as string;
      const calls = [
        store.viewRoom(text, 'ada'),
        store.message(id, text),
        store.findReceipt(id, text, message.clientId),
        store.heads([text]),
        store.roomIdsOf(text),
        store.append(draft(id, { message: text })),
        store.append(draft(id, { clientId: text })),
        store.addMember(id, { user: text, name: 'x', at, role: 'member' }, MANY),
        store.revocations([text]),
        store.command(text),
      ];
      for (const outcome of await Promise.allSettled(calls)) {
        expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'invalid_fields' } });
      }
    }
    expect(await store.messages(id, everything)).toHaveLength(1);
    expect((await store.viewRoom(id, 'ada'))?.room.count).toBe(1);
  }, 30_000);
});
