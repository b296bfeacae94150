import { z } from 'zod';
import { createRoom, deleteRoom, listRooms, patchRoom } from '../../chat/manage-rooms.ts';
import type { RoomView } from '../../chat/model.ts';
import { presentRoom } from '../../chat/present-room.ts';
import { seeRoom } from '../../chat/rules/access.ts';
import { id, limitText, text } from '../../wire/fields.ts';
import { newRoom, room, roomList, roomPatch } from '../../wire/room.ts';
import { versionTag, versionWanted } from '../if-match.ts';
import { defineRoute, type Reply, type Route } from '../route.ts';

const ROOMS = '/v1/chat/rooms';
export const ROOM = `${ROOMS}/{id}`;
export const roomParams = z.object({ id: id.describe('The room') });

const ifMatch = z.object({
  'if-match': z
    .string()
    .meta({ description: 'The ETag of the version you saw; absent or * for any', examples: ['"1"'] })
    .optional(),
});
const query = z.object({
  q: text
    .max(320)
    .meta({ description: 'Part of the name, ignoring case', examples: ['lob'] })
    .optional(),
  mine: z
    .stringbool({ truthy: ['true'], falsy: ['false'] })
    .optional()
    .describe('Only rooms you are a member of'),
  limit: limitText.optional().describe('50 by default, at most 200'),
  cursor: z
    .string()
    .max(2048)
    .meta({ description: '`next` of the page before', examples: ['eyJuYW1lIjoiTG9iYnkifQ'] })
    .optional(),
});

const ETAG = { ETag: 'The version, for If-Match' };

const replyRoom = (status: number, view: RoomView, headers: Record<string, string> = {}): Reply => ({
  status,
  body: presentRoom(view),
  headers: { ETag: versionTag(view.room.version), ...headers },
});

export const roomRoutes: readonly Route[] = [
  defineRoute({
    method: 'post',
    path: ROOMS,
    summary: 'Create a room; you own it and are its first member',
    auth: true,
    body: newRoom,
    responses: { 201: { description: 'The room', schema: room, headers: { ...ETAG, Location: 'Where the room is' } } },
    errors: ['duplicate', 'rate_limited', 'invalid_operation'],
    run: async ({ chat, caller }, { body }) => {
      const view = await createRoom(chat, caller, body);
      return replyRoom(201, view, { Location: `${ROOMS}/${encodeURIComponent(view.room.id)}` });
    },
  }),
  defineRoute({
    method: 'get',
    path: ROOMS,
    summary: 'List rooms: your own first, then the rest that you may see, each part by name',
    auth: true,
    query,
    responses: {
      200: {
        description: 'A page; `next` is absent on the last one',
        schema: roomList,
        headers: { Link: 'The next page, rel="next"' },
      },
    },
    errors: [],
    run: async ({ chat, caller }, { query }) => {
      const { rooms, next } = await listRooms(chat, caller, query);
      const body = { rooms: rooms.map(presentRoom), ...(next === undefined ? {} : { next }) };
      if (next === undefined) return { status: 200, body };
      const link = new URLSearchParams({ cursor: next });
      for (const [name, value] of Object.entries(query)) if (name !== 'cursor') link.set(name, String(value));
      return { status: 200, body, headers: { Link: `<${ROOMS}?${link}>; rel="next"` } };
    },
  }),
  defineRoute({
    method: 'get',
    path: ROOM,
    summary: 'Read a room',
    auth: true,
    params: roomParams,
    responses: { 200: { description: 'The room', schema: room, headers: ETAG } },
    errors: ['invalid_chatroom'],
    run: async ({ chat, caller }, { params }) => replyRoom(200, await seeRoom(chat, caller, params.id)),
  }),
  defineRoute({
    method: 'patch',
    path: ROOM,
    summary: 'Change a room: name and visibility are the owner’s, topic and slow mode the moderators’ too',
    auth: true,
    params: roomParams,
    headers: ifMatch,
    body: roomPatch,
    responses: { 200: { description: 'The room as it is now', schema: room, headers: ETAG } },
    errors: ['invalid_chatroom', 'role_required', 'duplicate', ['invalid_operation', 412]],
    run: async ({ chat, caller }, { params, headers, body }) =>
      replyRoom(200, await patchRoom(chat, caller, params.id, body, versionWanted(headers['if-match']))),
  }),
  defineRoute({
    method: 'delete',
    path: ROOM,
    summary: 'Delete a room with all that belongs to it',
    auth: true,
    params: roomParams,
    headers: ifMatch,
    responses: { 204: { description: 'Deleted' } },
    errors: ['invalid_chatroom', 'role_required', ['invalid_operation', 412]],
    run: async ({ chat, caller }, { params, headers }) => {
      await deleteRoom(chat, caller, params.id, versionWanted(headers['if-match']));
      return { status: 204 };
    },
  }),
];
