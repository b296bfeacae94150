import { z } from 'zod';
import { EXAMPLES } from './examples.ts';
import { epoch, id, limit, messageId, rev, seq, shownName, time, userId, visibility } from './fields.ts';
import { caughtUpRooms, cursors, draft, message } from './message.ts';
import { newRoom, role, room, roomList } from './room.ts';

/** The Socket.IO namespace of the chat. */
export const NAMESPACE = '/v1/channel';

/** `auth` of the handshake. */
export const handshake = z.object({
  token: z
    .string()
    .max(8192)
    .meta({ examples: [EXAMPLES.token] })
    .optional(),
  batch: z.boolean().optional().describe('Rooms come as one chatrooms event instead of one chatroom event each'),
});

const retryAfterMs = z.int().meta({ examples: [1000] });
const error = z.int().meta({ examples: [612] });
const code = z.string().meta({ examples: ['try_again'] });
const detail = z.string().meta({ examples: ['the store is away at the moment; send the same again'] });

/** What any ack may be instead. */
export const failed = z
  .object({
    error,
    code,
    detail,
    retry: z.boolean().optional().describe('The same call may succeed later'),
    retryAfterMs: z.number().optional(),
    data: z.record(z.string(), z.unknown()).optional(),
  })
  .meta({
    id: 'FailedAck',
    examples: [
      { error: 612, code: 'try_again', detail: 'the store is away at the moment; send the same again', retry: true },
    ],
  });
export type FailedAck = z.infer<typeof failed>;

const done = z.object({ error: z.literal(0) });
const user = z.object({ user: userId, name: shownName, role, online: z.boolean() });
const { name: roomTitle, topic: roomTopic, count, version } = room.shape;
const milliseconds = z.int().meta({ examples: [0] });

/** Client → server: what each event carries and what its ack answers. `aliases` are names that clients of the earlier server use. */
export const CLIENT_EVENTS = {
  switch: {
    doc: 'Reads a room; a public room is followed by its reader until the next switch',
    payload: z.object({ chatroom: id, limit: limit.optional() }),
    ack: done.extend({
      data: z.object({
        id,
        name: roomTitle,
        topic: roomTopic,
        owner: userId,
        visibility,
        slowModeMs: milliseconds,
        role: role.optional(),
        count,
        epoch,
        rev,
        users: z.array(user),
        present: z.array(userId),
        messages: z.array(message).describe('Newest first'),
        firstSeq: seq,
        headSeq: seq,
        readSeq: seq,
      }),
    }),
  },
  history: {
    doc: 'A page of messages: newest first, oldest first with after',
    payload: z.object({
      chatroom: id,
      before: seq.optional(),
      after: seq.optional(),
      skip: z.int().min(0).optional(),
      limit: limit.optional(),
    }),
    ack: done.extend({
      epoch,
      messages: z.array(message),
      firstSeq: seq,
      headSeq: seq,
      hasMore: z.boolean(),
      limit: z.int().meta({ examples: [50] }),
    }),
  },
  writing: {
    doc: 'Typing, on or off',
    aliases: ['writting', 'typing'],
    payload: z.object({ chatroom: id, status: z.union([z.literal(0), z.literal(1)]) }),
    ack: done,
  },
  chatroom: { doc: 'Creates a room', payload: newRoom, ack: done.extend(room.shape) },
  chatrooms: {
    doc: 'A page of the rooms one may see',
    payload: z.object({ cursor: z.string().max(1024).optional() }),
    ack: done.extend(roomList.shape),
  },
  join: {
    doc: 'Becomes a member; with after, what came since',
    payload: z.object({ chatroom: id, after: seq.optional(), limit: limit.optional() }),
    ack: done.extend({
      id,
      epoch,
      rev,
      messages: z.array(message).optional().describe('Oldest first'),
      headSeq: seq,
      hasMore: z.boolean().optional(),
      truncated: z.literal(true).optional(),
    }),
  },
  leave: { doc: 'Stops being a member', payload: z.object({ chatroom: id }), ack: done.extend({ id }) },
  message: {
    doc: 'Sends a message or a bot command',
    payload: z
      .intersection(z.object({ chatroom: id }), draft)
      .meta({ examples: [{ chatroom: EXAMPLES.roomId, ...EXAMPLES.draft }] }),
    ack: z.union([
      done.extend({ id: messageId, seq, createdAt: time, replayed: z.boolean().optional() }),
      done.extend({ id: messageId, command: z.string().meta({ examples: ['hello'] }) }),
    ]),
  },
  resume: {
    doc: 'What came in each room since its cursor',
    payload: z.object({ rooms: cursors, limit: limit.optional() }),
    ack: done.extend({ rooms: caughtUpRooms }),
  },
  read: { doc: 'Marks a room as read up to seq', payload: z.object({ chatroom: id, seq }), ack: done },
  authenticate: {
    doc: 'Renews the token in place',
    payload: z.object({
      token: z
        .string()
        .min(1)
        .max(8192)
        .meta({ examples: [EXAMPLES.token] }),
    }),
    ack: done,
  },
} as const;

export type ClientEvent = keyof typeof CLIENT_EVENTS;
export type PayloadOf<E extends ClientEvent> = z.input<(typeof CLIENT_EVENTS)[E]['payload']>;
export type ParsedOf<E extends ClientEvent> = z.output<(typeof CLIENT_EVENTS)[E]['payload']>;
export type DoneAckOf<E extends ClientEvent> = z.output<(typeof CLIENT_EVENTS)[E]['ack']>;
export type AckOf<E extends ClientEvent> = DoneAckOf<E> | FailedAck;

/** Server → client. */
export const SERVER_EVENTS = {
  authentication: z.object({
    user: userId,
    type: z.int().meta({ description: '1 user, 2 service, 3 bot', examples: [1] }),
    name: shownName,
    roles: z.array(z.string().meta({ examples: ['user'] })),
    expiresAt: time.optional(),
    expired: z.boolean().optional(),
    node: z.string().meta({ description: 'The worker that holds this socket', examples: ['1'] }),
    limits: z
      .object({ messageBytes: z.int(), imageBytes: z.int(), page: z.int(), rate: z.string() })
      .meta({ examples: [{ messageBytes: 16_384, imageBytes: 524_288, page: 200, rate: '20/10s' }] }),
  }),
  chatroom: z.object({
    id,
    name: roomTitle,
    topic: roomTopic,
    visibility,
    owner: userId,
    slowModeMs: milliseconds,
    count,
    isUser: z.boolean(),
    role: role.optional(),
    headSeq: seq,
    rev,
    version,
    epoch,
  }),
  chatrooms: z
    .object({ rooms: z.array(z.unknown()), next: z.string().optional() })
    .meta({ description: 'Rooms as in chatroom', examples: [EXAMPLES.roomList] }),
  join: z.object({ user: userId, name: shownName, chatroom: id, count, at: time }),
  leave: z.object({ user: userId, name: shownName, chatroom: id, count, at: time }),
  message,
  writing: z.object({ chatroom: id, user: userId, name: shownName, status: z.union([z.literal(0), z.literal(1)]) }),
  status: z.object({ user: userId, status: z.union([z.literal(1), z.literal(2)]) }),
  'message:updated': z.object({
    chatroom: id,
    id: messageId,
    seq,
    rev,
    message: z.string().meta({ examples: [EXAMPLES.message.message] }),
  }),
  'message:deleted': z.object({ chatroom: id, id: messageId, seq, rev }),
  read: z.object({ chatroom: id, user: userId, seq }),
  command: z
    .object({
      id: messageId,
      chatroom: id,
      user: userId,
      name: shownName,
      message: z.string().meta({ examples: ['/hello=Ann'] }),
      at: time,
    })
    .describe('A bot command as it was typed, when the server is set to echo commands; not part of the log'),
  resync: z.object({ rooms: z.array(id) }),
  drain: z.object({ retryAfterMs }),
  removed: z.object({ chatroom: id, reason: z.enum(['left', 'removed', 'banned', 'deleted']) }),
  failure: z.object({
    event: z.string().meta({ examples: ['message'] }),
    error,
    code: code.optional(),
    detail: detail.optional(),
    id: z.string().optional(),
  }),
} as const;

/** When each comes. */
export const SERVER_EVENT_DOCS: { readonly [E in keyof typeof SERVER_EVENTS]: string } = {
  authentication: 'The token was accepted; again with expired when it has run out, 5 s before the connection is closed',
  chatroom: 'A room: one for each that may be seen after the connection, then at its creation and every change',
  chatrooms: 'The rooms after the connection at once, for clients that ask for a batch',
  join: 'Somebody became a member',
  leave: 'Somebody is no member any more',
  message: 'A message, in the order of its room',
  writing: 'Somebody types or stopped; never to the typing user',
  status: 'Somebody of a shared room is online (1) or offline (2)',
  'message:updated': 'A message was edited',
  'message:deleted': 'A message was deleted; its seq stays',
  read: 'Somebody has read a room up to seq',
  command: 'A bot command as it was typed, where the server is set to echo them; not part of the log',
  resync: 'This client did not read and is cut: connect again and resume these rooms',
  drain: 'This worker goes: the connection is closed, connect again after the time given',
  removed: 'This user is no member of the room any more, or it is gone',
  failure: 'A call without an ack failed, or no bot answered a command (id) in time',
};

export type ServerEvent = keyof typeof SERVER_EVENTS;
type RoomPush = z.infer<typeof SERVER_EVENTS.chatroom>;
export type PushOf<E extends ServerEvent> = E extends 'chatrooms'
  ? { rooms: RoomPush[]; next?: string }
  : z.infer<(typeof SERVER_EVENTS)[E]>;

export type ServerToClient = { [E in ServerEvent]: (push: PushOf<E>) => void };
