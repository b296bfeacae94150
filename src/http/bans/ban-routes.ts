import { z } from 'zod';
import { banUser, unbanUser } from '../../chat/manage-members.ts';
import type { Account } from '../../chat/model.ts';
import { EXAMPLES } from '../../wire/examples.ts';
import { id, userId } from '../../wire/fields.ts';
import { ban } from '../../wire/room.ts';
import { ROOM, roomParams } from '../rooms/room-routes.ts';
import { defineRoute, type Route } from '../route.ts';

const params = roomParams.extend({
  user: userId.meta({ description: 'The user; `me` is the caller', examples: [EXAMPLES.otherUser] }),
});
const meant = (user: string, caller: Account): string => (user === 'me' ? caller.user : user);

export const banRoutes: readonly Route[] = [
  defineRoute({
    method: 'put',
    path: `${ROOM}/bans/{user}`,
    summary: 'Ban a user, member or not; for good when no end is given',
    auth: true,
    params,
    body: ban.optional(),
    responses: { 200: { description: 'The ban is in force', schema: z.object({ id }) } },
    errors: ['invalid_chatroom', 'role_required', 'invalid_operation'],
    run: async ({ chat, caller }, { params, body = {} }) => {
      await banUser(chat, caller, params.id, meant(params.user, caller), body);
      return { status: 200, body: { id: params.id } };
    },
  }),
  defineRoute({
    method: 'delete',
    path: `${ROOM}/bans/{user}`,
    summary: 'Lift a ban',
    auth: true,
    params,
    responses: { 204: { description: 'There is no ban' } },
    errors: ['invalid_chatroom', 'role_required'],
    run: async ({ chat, caller }, { params }) => {
      await unbanUser(chat, caller, params.id, meant(params.user, caller));
      return { status: 204 };
    },
  }),
];
