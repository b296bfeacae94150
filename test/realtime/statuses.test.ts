import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { joinRoom } from '../../src/chat/manage-members.ts';
import type { RoomId } from '../../src/chat/model.ts';
import { eventually } from '../support/eventually.ts';
import { openTestRealtime, type TestClient, type TestRealtime } from '../support/test-realtime.ts';

const HERD = 500;
/** A change is seen everywhere within 1 s. */
const SEEN_MS = 1000;

let test: TestRealtime;
let room: RoomId;
let other: RoomId;
let clients: TestClient[];

beforeEach(async () => {
  test = await openTestRealtime();
  room = await test.room('ann');
  other = await test.room('ann');
  for (const it of [room, other]) await joinRoom(test.chat, test.account('bob'), it);
  clients = [await test.connect('ann'), await test.connect('bob', { transports: ['polling'] })];
  const [ann] = clients;
  await ann?.push('status', (it) => it.user === 'bob');
});
afterEach(() => test.close());

const tell = (user: string, status: 1 | 2): void =>
  test.elsewhere().onNode({ kind: 'status', user, status, rooms: [room, other] });

const told = (client: TestClient): string[] =>
  client
    .pushes('status')
    .filter((it) => it.user.startsWith('herd'))
    .map(({ user, status }) => `${user} ${status}`);

describe('who comes and goes', () => {
  it('in a herd is told to everybody once, in order, however they are connected', async () => {
    const expected: string[] = [];
    for (let n = 0; n < HERD; n += 1) {
      tell(`herd ${n}`, 1);
      expected.push(`herd ${n} 1`);
      if (n % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    for (const it of clients) {
      await eventually('all are told', () => told(it).length >= HERD, SEEN_MS);
      await it.settled();
      assert.deepEqual(told(it), expected);
    }
  });

  it('at the same moment is told as it is in the end', async () => {
    tell('herd 1', 1);
    tell('herd 2', 1);
    tell('herd 1', 2);
    for (const it of clients) {
      await eventually('it is told', () => told(it).length === 2, SEEN_MS);
      assert.deepEqual(told(it), ['herd 2 1', 'herd 1 2']);
    }
  });

  it('is not told where there is no room in common', async () => {
    test.elsewhere().onNode({ kind: 'status', user: 'herd 1', status: 1, rooms: ['elsewhere'] });
    test.elsewhere().onNode({ kind: 'status', user: 'herd 2', status: 1, rooms: [] });
    tell('herd 3', 1);
    for (const it of clients) {
      await eventually('the last is told', () => told(it).length > 0, SEEN_MS);
      assert.deepEqual(told(it), ['herd 3 1']);
    }
  });
});
