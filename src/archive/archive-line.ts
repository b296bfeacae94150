import { z } from 'zod';
import { MESSAGE_BYTES_MAX } from '../chat/chat.ts';
import type { ArchivedBan, ArchivedMember, ArchivedMessage } from '../chat/ports/archive.ts';
import { nameKey, roomName } from '../chat/rules/room-name.ts';
import { id, isText, seq, slowModeMs, text, time, topic, visibility } from '../wire/fields.ts';

const count = z.int().min(0);
const firstSeq = z.int().min(1).max(Number.MAX_SAFE_INTEGER);
const rev = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
/** As the account service gave them, however long. */
const shownName = text;
const user = text.min(1);
const isRoomName = (name: string): boolean => {
  try {
    return roomName(name) === name;
  } catch {
    return false;
  }
};

const room = z.strictObject({
  kind: z.literal('room'),
  version: z.literal(1),
  id,
  name: text.refine(isRoomName, 'must be 1-80 characters, trimmed and NFC'),
  topic,
  visibility,
  owner: user,
  slowModeMs,
  firstSeq,
  headSeq: seq,
  rev,
  roomVersion: z.int().min(1),
  createdAt: time,
  /** How many lines of each kind follow; of messages there are those from the first seq to the head. */
  members: count,
  bans: count,
});

const member = z.strictObject({
  kind: z.literal('member'),
  user,
  name: shownName,
  role: z.enum(['member', 'moderator', 'owner']),
  joinedAt: time,
  readSeq: seq,
});

const ban = z.strictObject({
  kind: z.literal('ban'),
  user,
  until: z.int().optional(),
  reason: text.optional(),
  by: user,
  at: time,
});

const message = z
  .strictObject({
    kind: z.literal('message'),
    seq: firstSeq,
    id: text.min(1),
    owner: user,
    ownerName: shownName,
    type: z.literal([1, 2, 3]),
    message: text.max(MESSAGE_BYTES_MAX),
    createdAt: time,
    clientId: text.min(1),
    fingerprint: text,
    inReplyTo: text.optional(),
    origin: text.optional(),
    bot: z.strictObject({ name: text }).optional(),
    meta: z
      .record(z.string(), z.unknown())
      .refine((it) => isText(JSON.stringify(it)), 'must be well-formed Unicode')
      .optional(),
    rev: rev.optional(),
    deleted: z.literal(true).optional(),
    image: z
      .strictObject({
        contentType: z.enum(['image/png', 'image/jpeg', 'image/gif', 'image/webp']),
        bytes: z.base64(),
      })
      .optional(),
  })
  .refine((it) => (it.type === 3 && it.deleted !== true) === (it.image !== undefined), {
    path: ['image'],
    message: 'belongs to a message of type 3, and to each of them that is not deleted',
  });

/** A line of an archive: a room, then its members, its bans and its messages, each kind in its order. */
export const archiveLine = z.discriminatedUnion('kind', [room, member, ban, message]);
export type ArchiveLine = z.infer<typeof archiveLine>;
export type RoomLine = z.infer<typeof room>;

/** Without the keys that have no value: stores tell an absent field from an empty one. */
type Present<T> = { [K in keyof T]: Exclude<T[K], undefined> };
function present<T extends object>(line: T): Present<T> {
  return Object.fromEntries(Object.entries(line).filter(([, value]) => value !== undefined)) as Present<T>;
}

export function toArchivedRoom(line: RoomLine) {
  const { kind: _kind, version: _version, roomVersion, members: _members, bans: _bans, ...rest } = line;
  return { ...rest, version: roomVersion, nameKey: nameKey(line.name) };
}

export function toArchivedMember({ kind: _kind, ...rest }: z.infer<typeof member>): ArchivedMember {
  return rest;
}

export function toArchivedBan({ kind: _kind, until, reason, ...rest }: z.infer<typeof ban>): ArchivedBan {
  return present({ ...rest, until, reason }) as ArchivedBan;
}

export function toArchivedMessage({ kind: _kind, image, ...rest }: z.infer<typeof message>): ArchivedMessage {
  const bytes = image && { contentType: image.contentType, bytes: Buffer.from(image.bytes, 'base64') };
  return present({ ...rest, image: bytes }) as ArchivedMessage;
}

export const messageLine = ({ image, ...rest }: ArchivedMessage): object => ({
  kind: 'message',
  ...rest,
  ...(image && { image: { contentType: image.contentType, bytes: Buffer.from(image.bytes).toString('base64') } }),
});
