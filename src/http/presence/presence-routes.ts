import { z } from 'zod';
import { readPresence } from '../../chat/manage-members.ts';
import { presence } from '../../wire/room.ts';
import { ROOM, roomParams } from '../rooms/room-routes.ts';
import { defineRoute, type Route } from '../route.ts';

export const presenceRoutes: readonly Route[] = [
  defineRoute({
    method: 'get',
    path: `${ROOM}/presence`,
    summary: 'How many of the members are online, and who',
    auth: true,
    params: roomParams,
    query: z.object({
      users: z
        .stringbool({ truthy: ['true'], falsy: ['false'] })
        .optional()
        .describe('Also who they are'),
    }),
    responses: { 200: { description: '`stale` when the answer may be old', schema: presence } },
    errors: ['invalid_chatroom', 'banned'],
    run: async ({ chat, caller }, { params, query }) => ({
      status: 200,
      body: await readPresence(chat, caller, params.id, query.users ?? false),
    }),
  }),
];
