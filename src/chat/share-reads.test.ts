import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { openTestChat, type TestChat } from '../../test/support/test-chat.ts';
import { around } from '../../test/support/test-realtime.ts';
import { joinRoom, removeMember } from './manage-members.ts';
import { createRoom } from './manage-rooms.ts';
import type { Account, RoomId } from './model.ts';
import type { Store } from './ports/store.ts';
import { shareReads } from './share-reads.ts';

const REST_MS = 5;
const account = (user: string): Account => ({ user, type: 1, name: user, roles: ['user'] });

describe('shareReads', () => {
  let test: TestChat;
  let store: Store;
  let room: RoomId;
  let clock: FakeClock;
  let reads: string[];
  /** What a read waits for before it is made. */
  let gate: () => Promise<void>;

  beforeEach(async () => {
    test = await openTestChat();
    clock = new FakeClock();
    reads = [];
    gate = async () => {};
    const inner = test.chat.store;
    const counted = around(inner, {
      members: async (id) => {
        reads.push(`members ${id === room ? 'room' : id}`);
        const found = await inner.members(id);
        await gate();
        return found;
      },
      revocations: async (subjects) => {
        reads.push(`revocations ${subjects.length}`);
        return inner.revocations(subjects);
      },
    });
    store = shareReads(counted, clock);
    room = (await createRoom(test.chat, account('ann'), { name: 'Room' })).room.id;
    await joinRoom(test.chat, account('bob'), room);
  });
  afterEach(() => test.close());

  const users = async (): Promise<string[]> => (await store.members(room)).map((it) => it.user);

  it('makes one read for those who ask the same at the same time, and gives each an answer of its own', async () => {
    const [one, two, other] = await Promise.all([store.members(room), store.members(room), store.members('none')]);
    assert.deepEqual(reads, ['members room', 'members none']);
    assert.deepEqual(one, two);
    assert.deepEqual(other, []);
    one?.pop();
    assert.equal(two?.length, 2);
  });

  it('gives nobody an answer that is older than the question', async () => {
    let go = (): void => {};
    const gone = new Promise<void>((resolve) => {
      go = resolve;
    });
    gate = () => gone;
    const first = users();
    await settle();
    assert.equal(reads.length, 1); // under way: what it found is from before the removal
    await removeMember(test.chat, account('ann'), room, 'bob');
    const second = users();
    await settle();
    await clock.advance(REST_MS);
    await settle();
    go();
    assert.deepEqual(await first, ['ann', 'bob']);
    assert.deepEqual(await second, ['ann']);
    assert.equal(reads.length, 2);
  });

  it('lets the same be read again only after a rest, once for all who ask meanwhile', async () => {
    await users();
    const all = [users(), users()];
    await settle();
    all.push(users());
    await settle();
    assert.equal(reads.length, 1);
    await clock.advance(REST_MS);
    await Promise.all(all);
    assert.equal(reads.length, 2);
    await clock.advance(REST_MS);
    assert.equal(clock.waiting, 0);
    await users();
    assert.equal(reads.length, 3);
  });

  it('asks for all revocations at once, and gives each caller those that were asked for', async () => {
    await store.revoke('user:eve', 7);
    await store.revoke('user:bob', 8);
    const [ann, eve, both] = await Promise.all([
      store.revocations(['user:ann', 'token:a']),
      store.revocations(['user:eve', 'token:e']),
      store.revocations(['user:eve', 'user:bob']),
    ]);
    assert.deepEqual(reads, ['revocations 5']);
    assert.deepEqual([...(ann ?? [])], []);
    assert.deepEqual([...(eve ?? [])], [['user:eve', 7]]);
    assert.deepEqual(
      [...(both ?? [])],
      [
        ['user:eve', 7],
        ['user:bob', 8],
      ],
    );
  });

  it('tells everybody of a read that fails, and reads anew for the next', async () => {
    gate = async () => assert.fail('away');
    const both = await Promise.allSettled([users(), users()]);
    assert.deepEqual(
      both.map((it) => it.status),
      ['rejected', 'rejected'],
    );
    gate = async () => {};
    await clock.advance(REST_MS);
    assert.deepEqual(await users(), ['ann', 'bob']);
  });
});
