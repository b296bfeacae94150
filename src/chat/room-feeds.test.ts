import { strict as assert } from 'node:assert';
import { beforeEach, describe, it } from '@jest/globals';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { PlayedLog } from '../../test/support/played-log.ts';
import { tryAgain } from './errors.ts';
import type { Head } from './model.ts';
import type { RoomEvent } from './ports/bus.ts';
import { RoomFeeds } from './room-feeds.ts';

const LINGER_MS = 10_000;

describe('RoomFeeds', () => {
  let clock: FakeClock;
  let logs: Map<string, PlayedLog>;
  let subscribed: Set<string>;
  let journal: string[];
  let delivered: [string, RoomEvent][];
  let subscribe: () => Promise<void>;
  let heads: (found: () => Map<string, Head>) => Promise<Map<string, Head>>;
  let warnings: number;
  let feeds: RoomFeeds;

  beforeEach(() => {
    clock = new FakeClock();
    logs = new Map(['a', 'b', 'c'].map((room) => [room, new PlayedLog(room)]));
    subscribed = new Set();
    journal = [];
    delivered = [];
    subscribe = async () => {};
    heads = async (found) => found();
    warnings = 0;
    const silent = (): void => {};
    feeds = new RoomFeeds({
      clock,
      log: {
        debug: silent,
        info: silent,
        error: silent,
        warn: () => {
          warnings += 1;
        },
      },
      repaired: () => {},
      deliver: (room, event) => void delivered.push([room, event]),
      bus: {
        subscribe: async (rooms) => {
          journal.push(`subscribe ${rooms}`);
          await subscribe();
          for (const room of rooms) subscribed.add(room);
        },
        unsubscribe: (room) => {
          journal.push(`unsubscribe ${room}`);
          subscribed.delete(room);
        },
      },
      store: {
        heads: (rooms) => {
          journal.push(`heads ${rooms}`);
          return heads(
            () => new Map(rooms.flatMap((room) => (logs.has(room) ? [[room, logOf(room).now] as const] : []))),
          );
        },
        messages: (room, window) => logOf(room).messages(room, window),
        changedSince: (room, rev, limit) => logOf(room).changedSince(room, rev, limit),
      },
    });
  });

  const logOf = (room: string): PlayedLog => logs.get(room) ?? assert.fail(`no log of ${room}`);
  const message = (room: string): RoomEvent => ({ kind: 'message', message: logOf(room).append() });
  const seqs = (): number[] => delivered.map(([, event]) => (event.kind === 'message' ? event.message.seq : 0));

  it('subscribes first and reads second, once for all rooms that are not followed yet', async () => {
    const found = await feeds.follow(['a', 'b', 'nowhere']);
    assert.deepEqual(journal, ['subscribe a,b,nowhere', 'heads a,b,nowhere', 'unsubscribe nowhere']);
    assert.deepEqual([...found.keys()], ['a', 'b']);
    assert.equal(feeds.get('a'), found.get('a'));
    assert.equal((await feeds.follow(['b', 'a'])).get('a'), found.get('a'));
    assert.equal(journal.length, 3);
    assert.equal((await feeds.follow([])).size, 0);
  });

  it('opens a room once however many follow it at the same time', async () => {
    const [one, two] = await Promise.all([feeds.follow(['a', 'b']), feeds.follow(['b', 'c'])]);
    assert.deepEqual(journal, ['subscribe a,b', 'subscribe c', 'heads a,b', 'heads c']);
    assert.equal(one.get('b'), two.get('b'));
    for (const room of ['a', 'b', 'c']) feeds.release(room);
    await clock.advance(LINGER_MS);
    assert.deepEqual([...subscribed], ['b'], 'b has another follower');
  });

  it('keeps no room that nobody came to follow, because another one could not be opened', async () => {
    heads = async (found) => {
      const read = found();
      if (read.has('b')) throw tryAgain('the store');
      return read;
    };
    const failing = feeds.follow(['b']).catch(() => {});
    await assert.rejects(feeds.follow(['a', 'b']));
    await failing;
    await clock.advance(LINGER_MS);
    assert.deepEqual([feeds.size, [...subscribed]], [0, []]);
  });

  it('loses nothing that comes while a room is opened', async () => {
    logOf('a').append();
    let release = (): void => {};
    heads = async (found) => {
      const read = found();
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return read;
    };
    const following = feeds.follow(['a']);
    await settle();
    feeds.take('a', message('a'));
    feeds.take('a', message('a'));
    feeds.take('a', { kind: 'writing', user: 'u', name: 'U', status: 1 });
    release();
    const feed = (await following).get('a');
    assert.equal(feed?.headSeq, 3);
    assert.deepEqual(seqs(), [2, 3, 0]);
    feeds.take('a', message('a'));
    assert.deepEqual(seqs(), [2, 3, 0, 4]);
  });

  it('compares what is opened while something may have been lost', async () => {
    logOf('a').append();
    let release = (): void => {};
    heads = async (found) => {
      const read = found();
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return read;
    };
    const following = feeds.follow(['a']);
    await settle();
    logOf('a').append(); // its event is lost
    feeds.compareAll();
    heads = async (found) => found();
    release();
    await following;
    await settle();
    assert.deepEqual(seqs(), [2]);
  });

  it('passes volatile events on and ignores rooms that nobody follows', async () => {
    await feeds.follow(['a']);
    const writing = { kind: 'writing', user: 'u', name: 'U', status: 1 } as const;
    feeds.take('a', writing);
    feeds.take('b', writing);
    feeds.take('b', message('b'));
    assert.deepEqual(delivered, [['a', writing]]);
  });

  it('keeps a feed for a while after the last follower has gone', async () => {
    const feed = (await feeds.follow(['a'])).get('a');
    feeds.release('a');
    await clock.advance(LINGER_MS - 1);
    feeds.take('a', message('a'));
    assert.equal((await feeds.follow(['a'])).get('a'), feed);
    await clock.advance(10 * LINGER_MS);
    assert.equal(feed?.headSeq, 1);
    feeds.release('a');
    await clock.advance(LINGER_MS);
    assert.equal(feeds.size, 0);
    assert.equal(subscribed.size, 0);
    assert.notEqual((await feeds.follow(['a'])).get('a'), feed);
    assert.equal(clock.waiting, 0);
  });

  it.each([
    ['subscribed', () => (subscribe = () => Promise.reject(new Error('no bus')))],
    ['read', () => (heads = () => Promise.reject(tryAgain('the store')))],
  ])('gives everything back when a room cannot be %s', async (_name, fail) => {
    const [wasSubscribe, wasHeads] = [subscribe, heads];
    fail();
    const [one, two] = await Promise.allSettled([feeds.follow(['a', 'b']), feeds.follow(['b'])]);
    assert.deepEqual([one?.status, two?.status], ['rejected', 'rejected']);
    assert.equal(feeds.size, 0);
    assert.equal(subscribed.size, 0);
    assert.ok(journal.includes('unsubscribe a') && journal.includes('unsubscribe b'));
    assert.equal(clock.waiting, 0);
    subscribe = wasSubscribe;
    heads = wasHeads;
    assert.equal((await feeds.follow(['a', 'b'])).size, 2, 'and it can be tried again');
  });

  it('drops a room at once, followers or not', async () => {
    const feed = (await feeds.follow(['a'])).get('a');
    feeds.drop('a');
    feeds.drop('a');
    assert.equal(subscribed.size, 0);
    feeds.take('a', message('a'));
    feed?.offer(logOf('a').append());
    feeds.release('a');
    await clock.advance(LINGER_MS);
    assert.deepEqual(delivered, []);
    assert.equal(journal.filter((it) => it === 'unsubscribe a').length, 1);
  });

  it('compares all feeds in one read, and once more when asked meanwhile', async () => {
    await feeds.follow(['a', 'b', 'c']);
    journal = [];
    logOf('a').append();
    logOf('c').append();
    for (let times = 0; times < 5; times += 1) feeds.compareAll();
    await settle();
    const ofAll = journal.filter((it) => it === 'heads a,b,c').length;
    assert.equal(ofAll, 2);
    assert.deepEqual(delivered.map(([room]) => room).sort(), ['a', 'c']);
  });

  it('reads nothing when nothing is followed', async () => {
    feeds.compareAll();
    await settle();
    assert.deepEqual(journal, []);
  });

  it('compares again until the store answers', async () => {
    await feeds.follow(['a']);
    logOf('a').append();
    const wasHeads = heads;
    heads = () => Promise.reject(tryAgain('the store'));
    feeds.compareAll();
    feeds.compareAll();
    await clock.advance(5500);
    assert.deepEqual(delivered, []);
    assert.equal(warnings, 6);
    heads = wasHeads;
    await clock.advance(1000);
    assert.deepEqual(seqs(), [1]);
    assert.equal(clock.waiting, 0);
  });

  it('closes with nothing left over', async () => {
    await feeds.follow(['a', 'b']);
    feeds.release('b');
    logOf('a').append();
    feeds.take('a', message('a'));
    heads = () => Promise.reject(tryAgain('the store'));
    feeds.compareAll();
    await settle();
    assert.equal(clock.waiting, 3);
    feeds.close();
    assert.equal(clock.waiting, 0);
    assert.equal(subscribed.size, 0);
  });
});
