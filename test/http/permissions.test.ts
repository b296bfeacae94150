import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { type Call, openTestApi, type TestApi } from '../support/test-api.ts';

const ROLES = ['reader', 'member', 'moderator', 'owner', 'admin'] as const;
type Role = (typeof ROLES)[number];

interface Scene {
  /** Path of the room. */
  readonly room: string;
  /** Id of a message of somebody else. */
  readonly theirs: string;
  /** Id of a message of the caller; one of somebody else where the caller never was a member. */
  readonly own: string;
}

interface Operation {
  readonly name: string;
  readonly line: (scene: Scene) => string;
  readonly body?: unknown;
  /** Per role: the status of success, or [status, error]. */
  readonly expect: Readonly<Record<Role, number | readonly [number, number]>>;
}

const NO_ROOM = [404, 600] as const;
const ROLE = [403, 1002] as const;
const NOT_MEMBER = [403, 605] as const;

const row = (
  reader: Operation['expect'][Role],
  member: Operation['expect'][Role],
  moderator: Operation['expect'][Role],
  owner: Operation['expect'][Role],
  admin: Operation['expect'][Role],
): Operation['expect'] => ({ reader, member, moderator, owner, admin });

const PUBLIC: readonly Operation[] = [
  { name: 'see', line: (it) => `GET ${it.room}`, expect: row(200, 200, 200, 200, 200) },
  { name: 'read', line: (it) => `GET ${it.room}/messages`, expect: row(200, 200, 200, 200, 200) },
  { name: 'read one', line: (it) => `GET ${it.room}/messages/${it.theirs}`, expect: row(200, 200, 200, 200, 200) },
  { name: 'list members', line: (it) => `GET ${it.room}/members`, expect: row(200, 200, 200, 200, 200) },
  { name: 'presence', line: (it) => `GET ${it.room}/presence`, expect: row(200, 200, 200, 200, 200) },
  { name: 'join', line: (it) => `PUT ${it.room}/members/me`, expect: row(201, 200, 200, 200, 201) },
  {
    name: 'send',
    line: (it) => `POST ${it.room}/messages`,
    body: { message: 'hi' },
    expect: row(NOT_MEMBER, 201, 201, 201, NOT_MEMBER),
  },
  {
    name: 'mark read',
    line: (it) => `PUT ${it.room}/read`,
    body: { seq: 1 },
    expect: row(NOT_MEMBER, 204, 204, 204, NOT_MEMBER),
  },
  {
    name: 'edit own',
    line: (it) => `PATCH ${it.room}/messages/${it.own}`,
    body: { message: 'new' },
    expect: row(NOT_MEMBER, 200, 200, 200, NOT_MEMBER),
  },
  {
    name: 'edit another’s',
    line: (it) => `PATCH ${it.room}/messages/${it.theirs}`,
    body: { message: 'new' },
    expect: row(NOT_MEMBER, ROLE, ROLE, ROLE, NOT_MEMBER),
  },
  {
    name: 'delete own',
    line: (it) => `DELETE ${it.room}/messages/${it.own}`,
    expect: row(ROLE, 204, 204, 204, 204),
  },
  {
    name: 'delete another’s',
    line: (it) => `DELETE ${it.room}/messages/${it.theirs}`,
    expect: row(ROLE, ROLE, 204, 204, 204),
  },
  {
    name: 'leave',
    line: (it) => `DELETE ${it.room}/members/me`,
    expect: row([404, 605], 200, 200, 200, [404, 605]),
  },
  { name: 'add a member', line: (it) => `PUT ${it.room}/members/new`, expect: row(ROLE, ROLE, 201, 201, 201) },
  {
    name: 'add a moderator',
    line: (it) => `PUT ${it.room}/members/new`,
    body: { role: 'moderator' },
    expect: row(ROLE, ROLE, ROLE, 201, 201),
  },
  {
    name: 'promote',
    line: (it) => `PUT ${it.room}/members/other`,
    body: { role: 'moderator' },
    expect: row(ROLE, ROLE, ROLE, 200, 200),
  },
  {
    name: 'hand the room over',
    line: (it) => `PUT ${it.room}/members/other`,
    body: { role: 'owner' },
    expect: row(ROLE, ROLE, ROLE, 200, 200),
  },
  { name: 'remove a member', line: (it) => `DELETE ${it.room}/members/other`, expect: row(ROLE, ROLE, 200, 200, 200) },
  {
    name: 'remove a moderator',
    line: (it) => `DELETE ${it.room}/members/mod2`,
    expect: row(ROLE, ROLE, ROLE, 200, 200),
  },
  { name: 'ban a member', line: (it) => `PUT ${it.room}/bans/other`, expect: row(ROLE, ROLE, 200, 200, 200) },
  { name: 'ban a moderator', line: (it) => `PUT ${it.room}/bans/mod2`, expect: row(ROLE, ROLE, ROLE, 200, 200) },
  { name: 'lift a ban', line: (it) => `DELETE ${it.room}/bans/other`, expect: row(ROLE, ROLE, 204, 204, 204) },
  {
    name: 'set the topic',
    line: (it) => `PATCH ${it.room}`,
    body: { topic: 't' },
    expect: row(ROLE, ROLE, 200, 200, 200),
  },
  {
    name: 'set slow mode',
    line: (it) => `PATCH ${it.room}`,
    body: { slowModeMs: 1000 },
    expect: row(ROLE, ROLE, 200, 200, 200),
  },
  {
    name: 'set the visibility',
    line: (it) => `PATCH ${it.room}`,
    body: { topic: 't', visibility: 'private' },
    expect: row(ROLE, ROLE, ROLE, 200, 200),
  },
  { name: 'delete the room', line: (it) => `DELETE ${it.room}`, expect: row(ROLE, ROLE, ROLE, 204, 204) },
];

/** A private room does not exist for a reader; for all others it is like a public one. */
const PRIVATE: readonly Operation[] = PUBLIC.map((it) => ({ ...it, expect: { ...it.expect, reader: NO_ROOM } }));

describe('REST: who may do what', () => {
  let api: TestApi;
  let made = 0;
  const tokens = new Map<string, string>();
  const tokenOf = (user: string): string => tokens.get(user) ?? '';

  beforeAll(async () => {
    api = await openTestApi();
    for (const user of ['reader', 'member', 'moderator', 'owner', 'other', 'mod2', 'author']) {
      tokens.set(user, api.addAccount(user));
    }
    tokens.set('admin', api.addAccount('admin', { roles: ['user', 'admin'] }));
  });
  afterAll(() => api.close());

  async function setScene(visibility: string, role: Role): Promise<Scene> {
    made += 1;
    const as = (user: string, body?: unknown): Call => ({
      token: tokenOf(user),
      ...(body === undefined ? {} : { body }),
    });
    const created = await api.ok(201, 'POST /v1/chat/rooms', as('owner', { name: `room ${made}`, visibility }));
    const room = `/v1/chat/rooms/${created.id}`;
    for (const user of ['member', 'other', 'author']) await api.ok(201, `PUT ${room}/members/${user}`, as('owner'));
    for (const user of ['moderator', 'mod2']) {
      await api.ok(201, `PUT ${room}/members/${user}`, as('owner', { role: 'moderator' }));
    }
    const send = async (user: string): Promise<string> =>
      String((await api.ok(201, `POST ${room}/messages`, as(user, { message: 'text' }))).id);
    const theirs = await send('author');
    return { room, theirs, own: role === 'reader' || role === 'admin' ? theirs : await send(role) };
  }

  for (const [visibility, operations] of Object.entries({ public: PUBLIC, private: PRIVATE })) {
    for (const { name, line, body, expect } of operations) {
      it(`${visibility} room: ${name}`, async () => {
        for (const role of ROLES) {
          const scene = await setScene(visibility, role);
          const call: Call = { token: tokenOf(role), ...(body === undefined ? {} : { body }) };
          const expected = expect[role];
          if (typeof expected === 'number') await api.ok(expected, line(scene), call);
          else await api.refused(expected[0], expected[1], line(scene), call);
        }
      });
    }
  }

  it('asks for a role of the chat', async () => {
    const token = api.addAccount('service', { type: 2, roles: ['service'] });
    const lines = ['GET /v1/chat/rooms', 'GET /v1/chat/rooms/x', 'GET /v1/chat/rooms/x/messages'];
    for (const line of lines) await api.refused(403, 1002, line, { token });
    await api.refused(403, 1002, 'POST /v1/chat/rooms', { token, body: { name: 'x' } });
  });

  it('lets no service and no bot’s command in', async () => {
    const { room } = await setScene('public', 'member');
    const service = api.addAccount('robot', { type: 2, roles: ['user', 'service'] });
    await api.ok(201, `PUT ${room}/members/me`, { token: service });
    await api.refused(403, 602, `POST ${room}/messages`, { token: service, body: { message: 'hi' } });
    const bot = api.addAccount('bot', { type: 3, roles: ['bot'] });
    await api.ok(201, `PUT ${room}/members/me`, { token: bot });
    await api.refused(403, 602, `POST ${room}/messages`, { token: bot, body: { message: '/stock=a' } });
  });
});
