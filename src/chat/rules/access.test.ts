import { strict as assert } from 'node:assert';
import { describe, it } from '@jest/globals';
import { accountOf, adminOf, refusal } from '../../../test/support/timed-chat.ts';
import type { Chat } from '../chat.ts';
import type { Ban, Role, Room, RoomView, Visibility } from '../model.ts';
import { assertRank, hasRank, isAdmin, memberRoom, readRoom, seeRoom } from './access.ts';

const room = (visibility: Visibility): Room => ({
  id: 'r',
  name: 'R',
  topic: '',
  visibility,
  owner: 'o',
  slowModeMs: 0,
  count: 1,
  headSeq: 0,
  firstSeq: 1,
  epoch: 'e',
  rev: 0,
  version: 1,
  createdAt: '2026-01-01T00:00:00.000Z',
});

const viewOf = (visibility: Visibility, role?: Role, ban?: Ban): RoomView => ({
  room: room(visibility),
  ...(role === undefined ? {} : { role }),
  ...(ban === undefined ? {} : { ban }),
});

const chatOf = (view: RoomView | undefined): Pick<Chat, 'store'> => ({
  store: { viewRoom: async () => view, standing: async () => view } as Partial<Chat['store']> as Chat['store'],
});

const user = accountOf('u');
const admin = adminOf('root');
const ban: Ban = { user: 'u' };

/** What each of seeing, reading and being a member gives: `-` when it goes well. */
const TABLE = [
  // room, role, ban, caller, see, read, member
  ['public', undefined, undefined, user, '-', '-', 'not_a_member'],
  ['public', 'member', undefined, user, '-', '-', '-'],
  ['public', undefined, ban, user, '-', 'banned', 'banned'],
  ['private', undefined, undefined, user, 'invalid_chatroom', 'invalid_chatroom', 'invalid_chatroom'],
  ['private', undefined, ban, user, 'invalid_chatroom', 'invalid_chatroom', 'invalid_chatroom'],
  ['private', 'member', undefined, user, '-', '-', '-'],
  ['private', 'owner', undefined, user, '-', '-', '-'],
  ['private', undefined, undefined, admin, '-', '-', 'not_a_member'],
  ['public', undefined, ban, admin, '-', '-', 'not_a_member'],
  ['private', 'member', undefined, admin, '-', '-', '-'],
  [
    'private',
    undefined,
    undefined,
    accountOf('b', { roles: ['bot'] }),
    'invalid_chatroom',
    'invalid_chatroom',
    'invalid_chatroom',
  ],
  ['public', undefined, undefined, accountOf('b', { roles: ['bot'] }), '-', '-', 'not_a_member'],
  [
    'public',
    'member',
    undefined,
    accountOf('s', { roles: ['service'] }),
    'role_required',
    'role_required',
    'role_required',
  ],
  ['public', 'member', undefined, accountOf('n', { roles: [] }), 'role_required', 'role_required', 'role_required'],
] as const;

describe('access', () => {
  for (const [visibility, role, itsBan, caller, ...wanted] of TABLE) {
    const who = `${caller.roles.join(' and ') || 'nobody'}${role ? `, ${role}` : ''}${itsBan ? ', banned' : ''}`;
    it(`to a ${visibility} room for ${who}`, async () => {
      const chat = chatOf(viewOf(visibility, role, itsBan));
      for (const [at, use] of [seeRoom, readRoom, memberRoom].entries()) {
        const code = wanted[at] ?? '-';
        if (code === '-') assert.equal((await use(chat, caller, 'r')).room.id, 'r');
        else await refusal(code, use(chat, caller, 'r'));
      }
    });
  }

  it('to no room is none', () => refusal('invalid_chatroom', seeRoom(chatOf(undefined), admin, 'r')));

  it('says until when a ban lasts', async () => {
    const until = Date.UTC(2030, 0, 1);
    const { message } = await refusal(
      'banned',
      readRoom(chatOf(viewOf('public', undefined, { user: 'u', until })), user, 'r'),
    );
    assert.match(message, /2030-01-01T00:00:00\.000Z/);
  });

  it('ranks owners over moderators over members, and admins with owners', () => {
    const ranks = ['member', 'moderator', 'owner'] as const;
    for (const [at, role] of ranks.entries()) {
      for (const [wanted, least] of ranks.entries()) {
        assert.equal(hasRank(viewOf('public', role), user, least), at >= wanted);
        assert.equal(hasRank(viewOf('public'), user, least), false);
        assert.equal(hasRank(viewOf('public'), admin, least), true);
        const check = () => assertRank(viewOf('public', role), user, least);
        if (at >= wanted) check();
        else assert.throws(check, { code: 'role_required' });
      }
    }
    assert.deepEqual([isAdmin(admin), isAdmin(user)], [true, false]);
  });
});
