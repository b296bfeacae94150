import { z } from 'zod';
import { id, roomName, seq, slowModeMs, text, time, topic, visibility } from './fields.ts';

export const role = z.enum(['member', 'moderator', 'owner']);

export const room = z
  .object({
    id,
    name: z.string(),
    topic: z.string(),
    visibility,
    owner: id,
    slowModeMs,
    count: z.int().describe('Number of members'),
    isUser: z.boolean().describe('Whether the asking user is a member'),
    role: role.optional(),
    headSeq: seq,
    firstSeq: seq,
    epoch: z.string().describe('Changes when the log was restored or lost: drop your cursor then'),
    rev: z.int().describe('Counts edits and deletions of messages'),
    version: z.int().describe('Counts changes of the room itself'),
    createdAt: time,
  })
  .meta({ id: 'Room' });

export const newRoom = z
  .object({ name: roomName, topic: topic.optional(), visibility: visibility.optional() })
  .meta({ id: 'NewRoom' });

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
  .meta({ id: 'RoomPatch' });

export const roomList = z.object({ rooms: z.array(room), next: z.string().optional() }).meta({ id: 'RoomList' });

export const member = z.object({ user: id, name: z.string(), role, online: z.boolean() }).meta({ id: 'Member' });

export const ban = z
  .object({ until: z.iso.datetime({ offset: true }).optional(), reason: text.max(500).optional() })
  .meta({ id: 'Ban' });

export const presence = z
  .object({ count: z.int(), users: z.array(member).optional(), stale: z.boolean().optional() })
  .meta({ id: 'Presence' });
