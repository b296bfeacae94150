import { z } from 'zod';
import { id, limit, seq, time, visibility } from './fields.ts';
import { caughtUpRooms, cursors, draft, message } from './message.ts';
import { newRoom, role, room, roomList } from './room.ts';

/** The Socket.IO namespace of the chat. */
export const NAMESPACE = '/v1/channel';

/** `auth` of the handshake. */
export const handshake = z.object({
  token: z.string().max(8192).optional(),
  batch: z.boolean().optional().describe('Rooms come as one chatrooms event instead of one chatroom event each'),
});

const failed = z.object({
  error: z.int(),
  code: z.string(),
  detail: z.string(),
  retry: z.boolean().optional(),
  retryAfterMs: z.number().optional(),
  data: z.record(z.string(), z.unknown()).optional(),
});
export type FailedAck = z.infer<typeof failed>;

const done = z.object({ error: z.literal(0) });
const user = z.object({ user: id, name: z.string(), role, online: z.boolean() });

/** Client → server: what each event carries and what its ack answers. `aliases` are names that clients of the earlier server use. */
export const CLIENT_EVENTS = {
  switch: {
    doc: 'Reads a room; a public room is followed by its reader until the next switch',
    payload: z.object({ chatroom: id, limit: limit.optional() }),
    ack: done.extend({
      data: z.object({
        id,
        name: z.string(),
        topic: z.string(),
        owner: id,
        visibility,
        slowModeMs: z.int(),
        role: role.optional(),
        count: z.int(),
        epoch: z.string(),
        rev: z.int(),
        users: z.array(user),
        present: z.array(id),
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
      epoch: z.string(),
      messages: z.array(message),
      firstSeq: seq,
      headSeq: seq,
      hasMore: z.boolean(),
      limit: z.int(),
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
      epoch: z.string(),
      rev: z.int(),
      messages: z.array(message).optional().describe('Oldest first'),
      headSeq: seq,
      hasMore: z.boolean().optional(),
      truncated: z.literal(true).optional(),
    }),
  },
  leave: { doc: 'Stops being a member', payload: z.object({ chatroom: id }), ack: done.extend({ id }) },
  message: {
    doc: 'Sends a message or a bot command',
    payload: z.intersection(z.object({ chatroom: id }), draft),
    ack: z.union([
      done.extend({ id, seq, createdAt: time, replayed: z.boolean().optional() }),
      done.extend({ id, command: z.string() }),
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
    payload: z.object({ token: z.string().min(1).max(8192) }),
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
    user: id,
    type: z.int(),
    name: z.string(),
    roles: z.array(z.string()),
    expiresAt: time.optional(),
    expired: z.boolean().optional(),
    node: z.string().describe('The worker that holds this socket'),
    limits: z.object({ messageBytes: z.int(), imageBytes: z.int(), page: z.int(), rate: z.string() }),
  }),
  chatroom: z.object({
    id,
    name: z.string(),
    topic: z.string(),
    visibility,
    owner: id,
    slowModeMs: z.int(),
    count: z.int(),
    isUser: z.boolean(),
    role: role.optional(),
    headSeq: seq,
    rev: z.int(),
    version: z.int(),
    epoch: z.string(),
  }),
  chatrooms: z.object({ rooms: z.array(z.unknown()), next: z.string().optional() }).describe('Rooms as in chatroom'),
  join: z.object({ user: id, name: z.string(), chatroom: id, count: z.int(), at: time }),
  leave: z.object({ user: id, name: z.string(), chatroom: id, count: z.int(), at: time }),
  message,
  writing: z.object({ chatroom: id, user: id, name: z.string(), status: z.union([z.literal(0), z.literal(1)]) }),
  status: z.object({ user: id, status: z.union([z.literal(1), z.literal(2)]) }),
  'message:updated': z.object({ chatroom: id, id, seq, rev: z.int(), message: z.string() }),
  'message:deleted': z.object({ chatroom: id, id, seq, rev: z.int() }),
  read: z.object({ chatroom: id, user: id, seq }),
  command: z
    .object({ id, chatroom: id, user: id, name: z.string(), message: z.string(), at: time })
    .describe('A bot command as it was typed, when the server is set to echo commands; not part of the log'),
  resync: z.object({ rooms: z.array(id) }),
  drain: z.object({ retryAfterMs: z.int() }),
  removed: z.object({ chatroom: id, reason: z.enum(['left', 'removed', 'banned', 'deleted']) }),
  failure: z.object({
    event: z.string(),
    error: z.int(),
    code: z.string().optional(),
    detail: z.string().optional(),
    id: z.string().optional(),
  }),
} as const;

export type ServerEvent = keyof typeof SERVER_EVENTS;
type RoomPush = z.infer<typeof SERVER_EVENTS.chatroom>;
export type PushOf<E extends ServerEvent> = E extends 'chatrooms'
  ? { rooms: RoomPush[]; next?: string }
  : z.infer<(typeof SERVER_EVENTS)[E]>;

export type ServerToClient = { [E in ServerEvent]: (push: PushOf<E>) => void };
