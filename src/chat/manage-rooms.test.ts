import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { accountOf, adminOf, openTimedChat, refusal, roomOf, type TimedChat } from '../../test/support/timed-chat.ts';
import { tryAgain } from './errors.ts';
import { putMember } from './manage-members.ts';
import { createRoom, deleteRoom, LIST_MAX, listRooms, patchRoom, type RoomListQuery } from './manage-rooms.ts';
import type { RoomView } from './model.ts';

const ana = accountOf('ana');
const ben = accountOf('ben');
const root = adminOf('root');

describe('rooms', () => {
  let timed: TimedChat;

  beforeEach(async () => {
    timed = await openTimedChat({ settings: { rooms: { count: 3, windowMs: 60_000 }, maxRooms: 1000 } });
  });
  afterEach(() => timed.close());

  describe('creating', () => {
    it('tells every node: the creator has joined, and there is a new room', async () => {
      const { room, role } = await createRoom(timed.chat, ana, { name: ' Lobby ', topic: 't', visibility: 'private' });
      assert.equal(role, 'owner');
      assert.deepEqual(
        [room.name, room.topic, room.visibility, room.owner, room.count],
        ['Lobby', 't', 'private', 'ana', 1],
      );
      const at = new Date(timed.clock.now()).toISOString();
      const told = [
        { kind: 'joined', user: 'ana', name: ana.name, role: 'owner', room, at },
        { kind: 'room', room, was: 'new' },
      ];
      assert.deepEqual(timed.network.takeTold(), told);
      assert.deepEqual(timed.heard, told);
    });

    it('is limited; what was refused does not count, what is unknown does', async () => {
      await createRoom(timed.chat, ana, { name: 'one' });
      for (let n = 0; n < 5; n += 1) await refusal('duplicate', createRoom(timed.chat, ana, { name: 'ONE' }));
      for (let n = 0; n < 5; n += 1) await refusal('invalid_fields', createRoom(timed.chat, ana, { name: ' ' }));
      timed.network.takeTold();
      timed.trouble = () => Promise.reject(tryAgain('the store'));
      await refusal('try_again', createRoom(timed.chat, ana, { name: 'two' }));
      timed.trouble = (_, run) => run();
      await createRoom(timed.chat, ana, { name: 'three' });
      const { retryAfterMs } = await refusal('rate_limited', createRoom(timed.chat, ana, { name: 'four' }));
      assert.equal(retryAfterMs, 60_000);
      assert.equal(timed.network.takeTold().length, 2);
      await createRoom(timed.chat, ben, { name: 'four' });
    });
  });

  describe('changing', () => {
    it('tells every node the room as it is, and how visible it was', async () => {
      const room = await roomOf(timed.chat, ana);
      timed.network.takeTold();
      const hidden = await patchRoom(timed.chat, ana, room, { visibility: 'private' });
      const shown = await patchRoom(timed.chat, ana, room, { visibility: 'public', name: ' New ', slowModeMs: 5 });
      assert.equal(shown.room.name, 'New');
      assert.deepEqual(timed.network.takeTold(), [
        { kind: 'room', room: hidden.room, was: 'public' },
        { kind: 'room', room: shown.room, was: 'private' },
      ]);
    });

    it('tells nothing when it was refused', async () => {
      const room = await roomOf(timed.chat, ana, [ben]);
      const taken = (await createRoom(timed.chat, ana, { name: 'taken' })).room;
      timed.network.takeTold();
      await refusal('duplicate', patchRoom(timed.chat, ana, room, { name: 'TAKEN' }));
      await refusal('invalid_operation', patchRoom(timed.chat, ana, room, { topic: 't' }, 99));
      await refusal('role_required', patchRoom(timed.chat, ben, room, { topic: 't' }));
      await refusal('role_required', deleteRoom(timed.chat, ben, room));
      await refusal('invalid_operation', deleteRoom(timed.chat, ana, room, 99));
      await refusal('invalid_chatroom', deleteRoom(timed.chat, ana, 'nowhere'));
      assert.deepEqual(timed.network.takeTold(), []);
      assert.equal((await timed.chat.store.viewRoom(taken.id, 'ana'))?.room.version, taken.version);
    });

    it('lets moderators set topic and slow mode, and no more', async () => {
      const room = await roomOf(timed.chat, ana, [ben]);
      await putMember(timed.chat, ana, room, 'ben', { role: 'moderator' });
      await patchRoom(timed.chat, ben, room, { topic: 't', slowModeMs: 1000 });
      await refusal('role_required', patchRoom(timed.chat, ben, room, { topic: 't', visibility: 'private' }));
      await refusal('role_required', patchRoom(timed.chat, ben, room, { name: 'n' }));
    });
  });

  it('are deleted for everybody: told once, and their feeds are gone', async () => {
    const room = await roomOf(timed.chat, ana);
    await timed.chat.hub.feeds.follow([room]);
    const view = await timed.chat.store.viewRoom(room, 'ana');
    timed.network.takeTold();
    await deleteRoom(timed.chat, ana, room);
    assert.deepEqual(timed.network.takeTold(), [{ kind: 'deleted', room: view?.room }]);
    assert.equal(timed.chat.hub.feeds.get(room), undefined);
    await refusal('invalid_chatroom', deleteRoom(timed.chat, ana, room));
  });

  describe('listing', () => {
    const cursorOf = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    let own: string[];
    let others: string[];

    beforeEach(async () => {
      timed = await timed.close().then(() => openTimedChat());
      own = [];
      others = [];
      for (const n of [3, 1, 2]) {
        own.push(await roomOf(timed.chat, ana, [], { name: `Own ${n}`, visibility: n === 1 ? 'private' : 'public' }));
        others.push(await roomOf(timed.chat, ben, [], { name: `Other ${n}` }));
      }
      await roomOf(timed.chat, ben, [], { name: 'Other hidden', visibility: 'private' });
    });

    const namesOf = (rooms: readonly RoomView[]): string[] => rooms.map((it) => it.room.name);
    const pages = async (query: RoomListQuery, caller = ana): Promise<string[][]> => {
      const found: string[][] = [];
      for (let cursor: string | undefined = ''; cursor !== undefined; ) {
        const page = await listRooms(timed.chat, caller, { ...query, ...(cursor === '' ? {} : { cursor }) });
        found.push(namesOf(page.rooms));
        cursor = page.next;
        assert.ok(found.length < 20, 'pages come to an end');
      }
      return found;
    };
    const all = ['Own 1', 'Own 2', 'Own 3', 'Other 1', 'Other 2', 'Other 3'];

    it('has the own rooms first, then the others, each by name', async () => {
      assert.deepEqual(await pages({}), [all]);
      assert.deepEqual(await pages({ mine: true }), [all.slice(0, 3)]);
      assert.deepEqual(await pages({ mine: false }), [all]);
      const [view] = (await listRooms(timed.chat, ana, { limit: 1 })).rooms;
      assert.equal(view?.role, 'owner');
      assert.equal((await pages({}, root))[0]?.length, 7, 'admins see hidden ones too');
    });

    it('comes in pages of any size, each room once', async () => {
      for (let limit = 1; limit <= 7; limit += 1) {
        const found = await pages({ limit });
        assert.deepEqual(found.flat(), all);
        assert.equal(found.length, Math.ceil(6 / limit));
        assert.deepEqual((await pages({ limit, mine: true })).flat(), all.slice(0, 3));
      }
    });

    it('goes on where it was although rooms come and go', async () => {
      const first = await listRooms(timed.chat, ana, { limit: 2 });
      await deleteRoom(timed.chat, ana, first.rooms[1]?.room.id ?? '');
      await roomOf(timed.chat, ana, [], { name: 'Own 0' });
      await roomOf(timed.chat, ana, [], { name: 'Own 2a' });
      const rest = await listRooms(timed.chat, ana, { ...(first.next === undefined ? {} : { cursor: first.next }) });
      assert.deepEqual(namesOf(rest.rooms), ['Own 2a', 'Own 3', 'Other 1', 'Other 2', 'Other 3']);
    });

    it('finds part of a name, whatever its case', async () => {
      assert.deepEqual(await pages({ q: 'OTHER' }), [['Other 1', 'Other 2', 'Other 3']]);
      assert.deepEqual(await pages({ q: '3' }), [['Own 3', 'Other 3']]);
      assert.deepEqual(await pages({ q: '' }), [all]);
      for (const q of ['%', '_', "'", '*', '\\', 'Own%']) assert.deepEqual(await pages({ q }), [[]], q);
    });

    it('clamps the limit', async () => {
      assert.equal((await listRooms(timed.chat, ana, { limit: 9999 })).rooms.length, 6);
      assert.ok(LIST_MAX >= 6);
    });

    it.each([
      ['nothing', ''],
      ['no base64', '*'],
      ['no JSON', Buffer.from('x').toString('base64url')],
      ['another shape', cursorOf({ scope: 'mine' })],
      ['too few', cursorOf(['mine', 'a'])],
      ['too many', cursorOf(['mine', 'a', 'b', 'c'])],
      ['numbers', cursorOf(['mine', 1, 2])],
      ['null', cursorOf(null)],
      ['nested lists', cursorOf([['mine'], ['a'], ['b']])],
      ['a scope of nobody', cursorOf(['all', 'a', 'b'])],
      ['a scope of every object', cursorOf(['constructor', 'a', 'b'])],
      ['NUL', cursorOf(['mine', 'a\0', 'b'])],
      ['half a character', cursorOf(['mine', 'a', '\ud800'])],
      ['bytes that are no text', Buffer.from([0x5b, 0xff, 0xfe, 0x5d]).toString('base64url')],
      ['depth', Buffer.from('['.repeat(50_000)).toString('base64url')],
    ])('refuses a cursor of %s', async (_name, cursor) => {
      const { data } = await refusal('invalid_fields', listRooms(timed.chat, ana, { cursor }));
      assert.deepEqual(data, { fields: ['cursor'] });
    });

    it('survives a cursor that only looks like one, and shows nothing more by it', async () => {
      for (const text of ['', '\uffff', "'; DROP TABLE rooms; --", '\u{10ffff}', 'x'.repeat(100_000)]) {
        for (const scope of ['mine', 'others']) {
          const { rooms } = await listRooms(timed.chat, ana, { cursor: cursorOf([scope, text, text]) });
          assert.ok(
            namesOf(rooms).every((it) => all.includes(it)),
            text.slice(0, 20),
          );
        }
      }
      assert.deepEqual(await pages({}), [all]);
    });

    it('refuses a cursor of another list', async () => {
      await refusal(
        'invalid_fields',
        listRooms(timed.chat, ana, { mine: true, cursor: cursorOf(['others', 'a', 'b']) }),
      );
    });

    it('asks for a role of the chat', () =>
      refusal('role_required', listRooms(timed.chat, accountOf('s', { roles: ['service'] }), {})));
  });
});
