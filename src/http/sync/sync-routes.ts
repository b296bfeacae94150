import { z } from 'zod';
import { catchUp, cursorOf } from '../../chat/catch-up.ts';
import { limit } from '../../wire/fields.ts';
import { caughtUpRooms, cursors } from '../../wire/message.ts';
import { defineRoute, type Route } from '../route.ts';

export const syncRoutes: readonly Route[] = [
  defineRoute({
    method: 'post',
    path: '/v1/chat/sync',
    summary: 'Catch up in many rooms at once: what came since each cursor, oldest first',
    auth: true,
    body: z.object({ rooms: cursors, limit: limit.optional().describe('Messages per room') }).meta({ id: 'Sync' }),
    responses: {
      200: {
        description: 'By room; a room that is unknown or closed to you has an error in its place',
        schema: z.object({ rooms: caughtUpRooms }),
      },
    },
    errors: [],
    run: async ({ chat, caller }, { body }) => {
      const asked = new Map(Object.entries(body.rooms).map(([id, cursor]) => [id, cursorOf(cursor)]));
      return { status: 200, body: { rooms: Object.fromEntries(await catchUp(chat, caller, asked, body.limit)) } };
    },
  }),
];
