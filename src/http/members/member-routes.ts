import { z } from 'zod';
import { joinRoom, leaveRoom, listMembers, putMember, removeMember } from '../../chat/manage-members.ts';
import { EXAMPLES } from '../../wire/examples.ts';
import { id, userId, userName } from '../../wire/fields.ts';
import { member, role } from '../../wire/room.ts';
import { ROOM, roomParams } from '../rooms/room-routes.ts';
import { defineRoute, type Route } from '../route.ts';

const roomId = z.object({ id }).meta({ id: 'RoomId' });
const memberParams = roomParams.extend({
  user: userId.meta({ description: 'The user', examples: [EXAMPLES.otherUser] }),
});
const roleGiven = z.object({ id, user: userId, role });
const newMember = z
  .object({
    role: role.optional().describe('owner hands the room over'),
    name: userName.optional().describe('How the list shows a user who is added; the id when absent'),
  })
  .meta({ id: 'NewMember', examples: [{ role: 'member', name: 'Ben' }] });

export const memberRoutes: readonly Route[] = [
  defineRoute({
    method: 'put',
    path: `${ROOM}/members/me`,
    aliases: [{ method: 'post', path: '/v1/chat/rooms/join/{id}' }],
    summary: 'Join a public room',
    auth: true,
    params: roomParams,
    responses: {
      201: { description: 'You are a member now', schema: roomId },
      200: { description: 'You were a member already', schema: roomId },
    },
    errors: ['invalid_chatroom', 'banned', 'invalid_operation'],
    run: async ({ chat, caller }, { params }) => {
      const { added } = await joinRoom(chat, caller, params.id);
      return { status: added ? 201 : 200, body: { id: params.id } };
    },
  }),
  defineRoute({
    method: 'delete',
    path: `${ROOM}/members/me`,
    aliases: [{ method: 'delete', path: '/v1/chat/rooms/leave/{id}' }],
    summary: 'Leave a room; when the owner leaves, the oldest member owns it',
    auth: true,
    params: roomParams,
    responses: { 200: { description: 'You are no member any more', schema: roomId } },
    errors: ['invalid_chatroom', ['not_a_member', 404]],
    run: async ({ chat, caller }, { params }) => {
      await leaveRoom(chat, caller, params.id);
      return { status: 200, body: { id: params.id } };
    },
  }),
  defineRoute({
    method: 'get',
    path: `${ROOM}/members`,
    summary: 'List the members, oldest first',
    auth: true,
    params: roomParams,
    responses: { 200: { description: 'The members', schema: z.object({ users: z.array(member) }) } },
    errors: ['invalid_chatroom', 'banned'],
    run: async ({ chat, caller }, { params }) => ({
      status: 200,
      body: { users: await listMembers(chat, caller, params.id) },
    }),
  }),
  defineRoute({
    method: 'put',
    path: `${ROOM}/members/{user}`,
    summary: 'Add a member, or give a member another role',
    auth: true,
    params: memberParams,
    body: newMember.optional(),
    responses: {
      201: { description: 'The user is a member now', schema: roleGiven },
      200: { description: 'The user was a member and has this role now', schema: roleGiven },
    },
    errors: ['invalid_chatroom', 'role_required', 'banned', 'invalid_operation', ['not_a_member', 404]],
    run: async ({ chat, caller }, { params, body = {} }) => {
      const { added, role } = await putMember(chat, caller, params.id, params.user, body);
      return { status: added ? 201 : 200, body: { id: params.id, user: params.user, role } };
    },
  }),
  defineRoute({
    method: 'delete',
    path: `${ROOM}/members/{user}`,
    summary: 'Remove a member',
    auth: true,
    params: memberParams,
    responses: { 200: { description: 'The user is no member any more', schema: roomId } },
    errors: ['invalid_chatroom', 'role_required', ['not_a_member', 404]],
    run: async ({ chat, caller }, { params }) => {
      await removeMember(chat, caller, params.id, params.user);
      return { status: 200, body: { id: params.id } };
    },
  }),
];
