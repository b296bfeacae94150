import { z } from 'zod';
import { EXAMPLES } from './examples.ts';
import {
  clientId,
  epoch,
  id,
  isText,
  messageId,
  rev,
  seq,
  shownName,
  text,
  time,
  userId,
  visibleText,
} from './fields.ts';

const META_DEPTH = 8;
const META_BYTES = 4096;

/** What JSON can say, no deeper than `depth`: sockets also carry binary data, and deep nesting breaks recursive code. */
function isJson(value: unknown, depth: number): boolean {
  if (value === null || typeof value === 'boolean') return true;
  if (typeof value === 'string') return isText(value);
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || depth === 0) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return false;
  return Object.values(value).every((inner) => isJson(inner, depth - 1));
}

export const meta = z
  .record(text.max(64), z.unknown())
  .refine((it) => isJson(it, META_DEPTH), { message: `must be JSON, at most ${META_DEPTH} levels deep`, abort: true })
  .refine((it) => JSON.stringify(it).length <= META_BYTES, `must be at most ${META_BYTES} characters as JSON`)
  .meta({ description: 'Free facts of the sender: at most 4096 characters as JSON, 8 levels deep' });

export const message = z
  .object({
    id: messageId,
    chatroom: id,
    seq,
    owner: userId,
    ownerName: shownName,
    type: z
      .union([z.literal(1), z.literal(2), z.literal(3)])
      .describe('1 text, 2 link, 3 image (message is then its path)'),
    message: z.string(),
    createdAt: time,
    clientId: clientId.optional(),
    inReplyTo: z.string().optional(),
    origin: z.string().optional(),
    bot: z.object({ name: z.string() }).optional(),
    meta: meta.optional(),
    rev: z.int().optional().describe("The room's rev when this message was last edited or deleted"),
    deleted: z.literal(true).optional(),
  })
  .meta({ id: 'Message', examples: [EXAMPLES.message] });

/** What a client sends; exactly one of message and image. */
export const draft = z
  .object({
    message: visibleText.optional(),
    image: text.min(1).optional().describe('PNG, JPEG, GIF or WebP as base64 or as a data: URL'),
    clientId: clientId.optional(),
    inReplyTo: messageId.optional().describe('A message of the same room'),
    meta: meta.optional(),
  })
  .refine((it) => (it.message === undefined) !== (it.image === undefined), {
    message: 'exactly one of message and image must be given',
    path: ['message'],
  })
  .meta({ id: 'Draft', examples: [EXAMPLES.draft] });

export const receipt = z
  .object({ id: messageId, seq, createdAt: time })
  .meta({ id: 'Receipt', examples: [EXAMPLES.receipt] });
export const commandReceipt = z
  .object({ id: messageId, chatroom: id, command: z.string() })
  .meta({ id: 'CommandReceipt', examples: [EXAMPLES.commandReceipt] });

export const page = z
  .object({
    chatroom: id,
    epoch,
    messages: z.array(message),
    firstSeq: seq.nullable().describe('The oldest seq that is kept'),
    lastSeq: seq.nullable().describe('The newest seq of this page; null when it is empty'),
    headSeq: seq,
    hasMore: z.boolean(),
    hasMoreBefore: z.boolean().optional(),
    hasMoreAfter: z.boolean().optional(),
    limit: z.int(),
  })
  .meta({ id: 'Page', examples: [EXAMPLES.page] });

export const erasure = z
  .object({
    deleted: z.int().describe('How many messages this call has deleted'),
    next: z.string().optional().describe('There is more to look through: call again with it as cursor'),
  })
  .meta({ id: 'Erasure', examples: [EXAMPLES.erasure] });

const cursor = z.union([seq, z.object({ seq, rev: seq.optional() })]);
/** Where the caller stands in each room: a seq, or seq and rev. */
export const cursors = z
  .record(id, cursor)
  .refine((it) => Object.keys(it).length <= 500, 'at most 500 rooms at once')
  .meta({ examples: [EXAMPLES.cursors] });

export const caughtUp = z.object({
  epoch,
  rev,
  messages: z.array(message).describe('Oldest first'),
  changed: z.array(message).optional().describe('Edited or deleted since the rev that was given'),
  headSeq: seq,
  hasMore: z.boolean(),
  truncated: z.literal(true).optional().describe('Messages between the cursor and the first of these are not kept'),
});

export const caughtUpRooms = z
  .record(z.string(), z.union([caughtUp, z.object({ error: z.int(), code: z.string() })]))
  .meta({ id: 'CaughtUpRooms', examples: [EXAMPLES.caughtUpRooms] });
