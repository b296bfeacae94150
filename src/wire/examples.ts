/** What the documents show: a room, the people in it and what they say. Tests hold each to the schema that shows it. */

const ROOM = '31eb893c-caa7-4485-a28e-1e4cd308d7d9';
const ANN = 'g-d4cb1657-e004-49e5-a365-013778a82173';
const BEN = 'g-7f0c9b52-41b6-4d0e-9a53-6c2f8f1f5d20';
const MESSAGE = '019aa6fd-3c3f-7c51-9b3e-5d1f0c6a7e42';
const COMMAND = '019aa6fd-6b10-7a02-8c44-0e9d2b7f1a35';
const CLIENT_ID = '8d3f6a0e-5b7c-4e8d-9a51-2f4b6c8d0e1f';
const EPOCH = 'Wd4jBA6nSzzY';
const CREATED = '2026-11-21T16:04:26.440Z';
const SENT = '2026-11-21T16:05:02.118Z';
const EXPIRES = '2026-12-21T16:04:26.405Z';
const TOKEN = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl';

const account = { user: ANN, type: 1, name: 'Ann', roles: ['user'], expiresAt: EXPIRES };
const room = {
  id: ROOM,
  name: 'Lobby',
  topic: 'Everything and nothing',
  visibility: 'public',
  owner: ANN,
  slowModeMs: 0,
  count: 2,
  isUser: true,
  role: 'owner',
  headSeq: 42,
  firstSeq: 1,
  epoch: EPOCH,
  rev: 3,
  version: 1,
  createdAt: CREATED,
};
const message = {
  id: MESSAGE,
  chatroom: ROOM,
  seq: 42,
  owner: ANN,
  ownerName: 'Ann',
  type: 1,
  message: 'Hello',
  createdAt: SENT,
  clientId: CLIENT_ID,
};
const members = [
  { user: ANN, name: 'Ann', role: 'owner', online: true },
  { user: BEN, name: 'Ben', role: 'member', online: false },
];
const cursors = { [ROOM]: { seq: 41, rev: 3 } };
const caughtUp = { epoch: EPOCH, rev: 3, messages: [message], headSeq: 42, hasMore: false };

export const EXAMPLES = {
  roomId: ROOM,
  user: ANN,
  otherUser: BEN,
  messageId: MESSAGE,
  commandId: COMMAND,
  clientId: CLIENT_ID,
  epoch: EPOCH,
  time: SENT,
  token: TOKEN,
  account,
  guest: { token: TOKEN, ...account },
  revocation: { user: BEN },
  room,
  newRoom: { name: 'Lobby', topic: 'Everything and nothing', visibility: 'public' },
  roomPatch: { topic: 'Only the weather', slowModeMs: 0 },
  roomList: { rooms: [room] },
  member: members[1],
  presence: { count: 1, users: members },
  ban: { until: '2026-12-01T00:00:00.000Z', reason: 'Advertising' },
  message,
  draft: { message: 'Hello', clientId: CLIENT_ID },
  receipt: { id: MESSAGE, seq: 42, createdAt: SENT },
  commandReceipt: { id: COMMAND, chatroom: ROOM, command: 'hello' },
  page: {
    chatroom: ROOM,
    epoch: EPOCH,
    messages: [message],
    firstSeq: 1,
    lastSeq: 42,
    headSeq: 42,
    hasMore: true,
    limit: 50,
  },
  erasure: { deleted: 42 },
  cursors,
  caughtUpRooms: { [ROOM]: caughtUp },
} as const;
