import { z } from 'zod';
import { EXAMPLES } from './examples.ts';
import { epoch, id, rev, roomName, seq, slowModeMs, text, time, topic, userId, visibility } from './fields.ts';

export const role = z.enum(['member', 'moderator', 'owner']);

export const room = z
  .object({
    id,
    name: z.string().meta({ examples: [EXAMPLES.room.name] }),
    topic: z.string().meta({ examples: [EXAMPLES.room.topic] }),
    visibility,
    owner: userId,
    slowModeMs,
    count: z.int().meta({ description: 'Number of members', examples: [EXAMPLES.room.count] }),
    isUser: z.boolean().describe('Whether the asking user is a member'),
    role: role.optional(),
    headSeq: seq,
    firstSeq: seq,
    epoch: epoch.describe('Changes when the log was restored or lost: drop your cursor then'),
    rev: rev.describe('Counts edits and deletions of messages'),
    version: z.int().meta({ description: 'Counts changes of the room itself', examples: [EXAMPLES.room.version] }),
    createdAt: time,
  })
  .meta({ id: 'Room', examples: [EXAMPLES.room] });

export const newRoom = z
  .object({ name: roomName, topic: topic.optional(), visibility: visibility.optional() })
  .meta({ id: 'NewRoom', examples: [EXAMPLES.newRoom] });

export const roomPatch = z
  .object({
    name: roomName.optional(),
    topic: topic.optional(),
    visibility: visibility.optional(),
    slowModeMs: slowModeMs.optional(),
  })
  .refine(
    (it) => Object.values(it).some((value) => value !== undefined),
    'name, topic, visibility or slowModeMs must be given',
  )
  .meta({ id: 'RoomPatch', examples: [EXAMPLES.roomPatch] });

export const roomList = z
  .object({ rooms: z.array(room), next: z.string().optional() })
  .meta({ id: 'RoomList', examples: [EXAMPLES.roomList] });

export const member = z
  .object({ user: userId, name: z.string(), role, online: z.boolean() })
  .meta({ id: 'Member', examples: [EXAMPLES.member] });

export const ban = z
  .object({ until: z.iso.datetime({ offset: true }).optional(), reason: text.max(500).optional() })
  .meta({ id: 'Ban', examples: [EXAMPLES.ban] });

export const presence = z
  .object({ count: z.int(), users: z.array(member).optional(), stale: z.boolean().optional() })
  .meta({ id: 'Presence', examples: [EXAMPLES.presence] });
