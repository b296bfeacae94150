import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { accountOf, adminOf, openTimedChat, refusal, roomOf, type TimedChat } from '../../test/support/timed-chat.ts';
import { tryAgain } from './errors.ts';
import {
  banUser,
  joinRoom,
  leaveRoom,
  listMembers,
  putMember,
  readPresence,
  removeMember,
  unbanUser,
} from './manage-members.ts';
import type { Room } from './model.ts';

const ana = accountOf('ana');
const ben = accountOf('ben');
const cid = accountOf('cid');
const eve = accountOf('eve');
const root = adminOf('root');

describe('members', () => {
  let timed: TimedChat;
  let room: string;
  let at: string;

  beforeEach(async () => {
    timed = await openTimedChat({ settings: { maxRooms: 3 } });
    room = await roomOf(timed.chat, ana, [ben, cid]);
    at = new Date(timed.clock.now()).toISOString();
    timed.network.takeTold();
  });
  afterEach(() => timed.close());

  const told = () => timed.network.takeTold();
  const roomNow = async (): Promise<Room> =>
    (await timed.chat.store.viewRoom(room, 'ana'))?.room ?? assert.fail('the room is gone');
  const rolesOf = async (): Promise<string[]> =>
    (await timed.chat.store.members(room)).map((it) => `${it.user} ${it.role}`);

  describe('join', () => {
    it('and every node is told, once', async () => {
      const joined = await joinRoom(timed.chat, eve, room);
      assert.deepEqual([joined.added, joined.role, joined.room.count], [true, 'member', 4]);
      assert.deepEqual(told(), [
        { kind: 'joined', user: 'eve', name: eve.name, role: 'member', room: await roomNow(), at },
      ]);
      const again = await joinRoom(timed.chat, eve, room);
      assert.deepEqual([again.added, again.role], [false, 'member']);
      assert.deepEqual(told(), []);
    });

    it('at the same time, and are told once', async () => {
      const all = await Promise.all([1, 2, 3].map(() => joinRoom(timed.chat, eve, room)));
      assert.equal(all.filter((it) => it.added).length, 1);
      assert.equal(told().length, 1);
    });

    it('not when they are banned, see no such room, or are in too many', async () => {
      await banUser(timed.chat, ana, room, 'eve', {});
      told();
      await refusal('banned', joinRoom(timed.chat, eve, room));
      await refusal('invalid_chatroom', joinRoom(timed.chat, eve, 'nowhere'));
      const hidden = await roomOf(timed.chat, ben, [], { visibility: 'private' });
      await refusal('invalid_chatroom', joinRoom(timed.chat, eve, hidden));
      const dan = accountOf('dan');
      for (let n = 0; n < 3; n += 1) await roomOf(timed.chat, dan);
      told();
      await refusal('invalid_operation', joinRoom(timed.chat, dan, room));
      assert.deepEqual(told(), []);
    });
  });

  describe('leave', () => {
    const left = { kind: 'left', reason: 'left', wasMember: true } as const;

    it('and every node is told', async () => {
      await leaveRoom(timed.chat, cid, room);
      assert.deepEqual(told(), [{ ...left, user: 'cid', name: cid.name, chatroom: room, count: 2, at }]);
      const { status } = await refusal('not_a_member', leaveRoom(timed.chat, cid, room));
      assert.equal(status, 404);
      assert.deepEqual(told(), []);
    });

    it('as owners, and the oldest member owns the room; that is told too', async () => {
      await leaveRoom(timed.chat, ana, room);
      const now = await roomNow();
      assert.equal(now.owner, 'ben');
      assert.deepEqual(told(), [
        { ...left, user: 'ana', name: ana.name, chatroom: room, count: 2, at },
        { kind: 'room', room: now, was: 'public' },
        { kind: 'role', room: now, user: 'ben', role: 'owner' },
      ]);
      assert.deepEqual(await rolesOf(), ['ben owner', 'cid member']);
    });

    it('as the last one; the room stays, and the next to join owns it', async () => {
      for (const it of [ana, ben, cid]) await leaveRoom(timed.chat, it, room);
      assert.equal((await roomNow()).count, 0);
      told();
      const joined = await joinRoom(timed.chat, eve, room);
      assert.deepEqual([joined.role, joined.room.owner], ['owner', 'eve']);
      const [event] = told();
      assert.ok(event?.kind === 'joined');
      assert.deepEqual([event.role, event.room.owner], ['owner', 'eve']);
    });

    it('and that is done although the new owner cannot be told', async () => {
      let views = 0;
      timed.trouble = (method, run) => {
        if (method === 'viewRoom') views += 1;
        return method === 'viewRoom' && views > 1 ? Promise.reject(tryAgain('the store')) : run();
      };
      await leaveRoom(timed.chat, ana, room);
      assert.deepEqual(
        told().map((it) => it.kind),
        ['left'],
      );
      assert.ok(timed.test.lines.some((it) => it.level === 'warn'));
    });
  });

  describe('are added and given roles', () => {
    it('by moderators, and every node is told under which name', async () => {
      await putMember(timed.chat, ana, room, 'ben', { role: 'moderator' });
      told();
      assert.deepEqual(await putMember(timed.chat, ben, room, 'eve', { name: 'Eve' }), { added: true, role: 'member' });
      assert.deepEqual(told(), [
        { kind: 'joined', user: 'eve', name: 'Eve', role: 'member', room: await roomNow(), at },
      ]);
      assert.deepEqual(await putMember(timed.chat, ben, room, 'eve', {}), { added: false, role: 'member' });
      assert.deepEqual(told(), []);
      await refusal('role_required', putMember(timed.chat, cid, room, 'dan', {}));
      await refusal('role_required', putMember(timed.chat, ben, room, 'dan', { role: 'moderator' }));
    });

    it('by the owner, and every node is told who has which role', async () => {
      await putMember(timed.chat, ana, room, 'ben', { role: 'moderator' });
      assert.deepEqual(told(), [{ kind: 'role', room: await roomNow(), user: 'ben', role: 'moderator' }]);
      assert.deepEqual(await rolesOf(), ['ana owner', 'ben moderator', 'cid member']);
      await refusal('role_required', putMember(timed.chat, ben, room, 'cid', { role: 'moderator' }));
      await refusal('role_required', putMember(timed.chat, ben, room, 'ben', { role: 'member' }));
      await putMember(timed.chat, ana, room, 'ben', { role: 'member' });
      assert.deepEqual(await rolesOf(), ['ana owner', 'ben member', 'cid member']);
    });

    it('hand over: to members only, and the owner is never just demoted', async () => {
      await refusal('not_a_member', putMember(timed.chat, ana, room, 'eve', { role: 'owner' }));
      await refusal('invalid_operation', putMember(timed.chat, ana, room, 'ana', { role: 'member' }));
      told();
      await putMember(timed.chat, ana, room, 'ben', { role: 'owner' });
      assert.deepEqual(await rolesOf(), ['ana moderator', 'ben owner', 'cid member']);
      const now = await roomNow();
      assert.equal(now.owner, 'ben');
      assert.deepEqual(told(), [
        { kind: 'room', room: now, was: 'public' },
        { kind: 'role', room: now, user: 'ana', role: 'moderator' },
        { kind: 'role', room: now, user: 'ben', role: 'owner' },
      ]);
    });
  });

  describe('are removed and banned', () => {
    it('and every node is told why', async () => {
      await removeMember(timed.chat, ana, room, 'ben');
      await banUser(timed.chat, ana, room, 'cid', { reason: 'r' });
      await banUser(timed.chat, ana, room, 'eve', {});
      const left = { kind: 'left', chatroom: room, at } as const;
      assert.deepEqual(told(), [
        { ...left, user: 'ben', name: ben.name, count: 2, reason: 'removed', wasMember: true },
        { ...left, user: 'cid', name: cid.name, count: 1, reason: 'banned', wasMember: true },
        { ...left, user: 'eve', name: '', count: 1, reason: 'banned', wasMember: false },
      ]);
    });

    it('themselves: that is leaving, and no ban', async () => {
      await removeMember(timed.chat, ben, room, 'ben');
      const [event] = told();
      assert.ok(event?.kind === 'left');
      assert.equal(event.reason, 'left');
      for (const it of [ana, cid, root]) {
        await refusal('invalid_operation', banUser(timed.chat, it, room, it.user, {}));
      }
    });

    it('by rank: moderators remove members, the owner moderators, nobody the owner', async () => {
      await putMember(timed.chat, ana, room, 'ben', { role: 'moderator' });
      await putMember(timed.chat, ana, room, 'eve', { role: 'moderator' });
      told();
      for (const use of [removeMember, (...it: Parameters<typeof removeMember>) => banUser(...it, {})]) {
        await refusal('role_required', use(timed.chat, cid, room, 'ben'));
        await refusal('role_required', use(timed.chat, ben, room, 'eve'));
        await refusal('role_required', use(timed.chat, ben, room, 'ana'));
        await refusal('role_required', use(timed.chat, root, room, 'ana'));
      }
      const { status } = await refusal('not_a_member', removeMember(timed.chat, ben, room, 'nobody'));
      assert.equal(status, 404);
      assert.deepEqual(told(), []);
      await removeMember(timed.chat, ben, room, 'cid');
      await removeMember(timed.chat, ana, room, 'eve');
      await removeMember(timed.chat, root, room, 'ben');
      assert.deepEqual(await rolesOf(), ['ana owner']);
    });

    it('until a time in the future, or until the ban is lifted', async () => {
      const soon = new Date(timed.clock.now() + 60_000).toISOString();
      await refusal('invalid_fields', banUser(timed.chat, ana, room, 'eve', { until: at }));
      await banUser(timed.chat, ana, room, 'eve', { until: soon });
      await refusal('banned', joinRoom(timed.chat, eve, room));
      await refusal('banned', putMember(timed.chat, ana, room, 'eve', {}));
      await refusal('role_required', unbanUser(timed.chat, ben, room, 'eve'));
      await unbanUser(timed.chat, ana, room, 'eve');
      assert.equal((await joinRoom(timed.chat, eve, room)).added, true);
    });
  });

  describe('and who of them is here', () => {
    beforeEach(() => {
      timed.test.online.add('ana').add('cid').add('eve');
    });

    it('is shown to whoever may read the room', async () => {
      assert.deepEqual(
        (await listMembers(timed.chat, eve, room)).map((it) => [it.user, it.role, it.online]),
        [
          ['ana', 'owner', true],
          ['ben', 'member', false],
          ['cid', 'member', true],
        ],
      );
      assert.deepEqual(await readPresence(timed.chat, eve, room, false), { count: 2 });
      const { users } = await readPresence(timed.chat, eve, room, true);
      assert.deepEqual(
        users?.map((it) => it.user),
        ['ana', 'cid'],
      );
    });

    it('may be old, and says so', async () => {
      const presence = { ...timed.chat.presence, online: async () => ({ users: new Set(['ana']), stale: true }) };
      assert.deepEqual(await readPresence({ ...timed.chat, presence }, ana, room, false), { count: 1, stale: true });
    });

    it('is not shown to who is banned', async () => {
      await banUser(timed.chat, ana, room, 'eve', {});
      await refusal('banned', listMembers(timed.chat, eve, room));
      await refusal('banned', readPresence(timed.chat, eve, room, true));
    });
  });
});
