import { createHash } from 'node:crypto';
import { z } from 'zod';
import { deleteMessage, editMessage } from '../../chat/change-message.ts';
import { eraseMessages } from '../../chat/erase-messages.ts';
import { invalidFields } from '../../chat/errors.ts';
import { markRead } from '../../chat/mark-read.ts';
import { postMessage } from '../../chat/post-message.ts';
import { readHistory, readImage, readMessage } from '../../chat/read-history.ts';
import { clientId, limitText, messageId, seq, seqText, userId, visibleText } from '../../wire/fields.ts';
import { commandReceipt, draft, erasure, message, page, receipt } from '../../wire/message.ts';
import { tagKnown } from '../if-match.ts';
import { ROOM, roomParams } from '../rooms/room-routes.ts';
import { defineRoute, type Route } from '../route.ts';
import { UPLOAD_POLICY } from '../security-headers.ts';

const messageParams = roomParams.extend({ mid: messageId.describe('The message') });
const erasureQuery = z.object({
  cursor: z
    .string()
    .max(2048)
    .meta({ description: '`next` of the call before', examples: ['5000'] })
    .optional(),
});
const REPLAYED = { 'Idempotency-Replayed': 'true: nothing new was stored' };

export const messageRoutes: readonly Route[] = [
  defineRoute({
    method: 'post',
    path: `${ROOM}/messages`,
    aliases: [{ method: 'post', path: '/v1/chat/rooms/message/{id}' }],
    summary: 'Send a message, or a bot command when it starts with / and a word',
    auth: true,
    params: roomParams,
    headers: z.object({ 'idempotency-key': clientId.optional() }),
    body: draft,
    responses: {
      201: { description: 'Stored', schema: receipt, headers: { Location: 'Where the message is' } },
      200: { description: 'Stored before: the first receipt', schema: receipt, headers: REPLAYED },
      202: { description: 'A command: a bot will answer', schema: commandReceipt, headers: REPLAYED },
    },
    errors: [
      'invalid_chatroom',
      'not_a_member',
      'banned',
      'cannot_send',
      'bot_unavailable',
      'too_large',
      'idempotency_conflict',
      'rate_limited',
      'slow_mode',
    ],
    run: async ({ chat, caller }, { params, headers, body }) => {
      const key = headers['idempotency-key'];
      if (key !== undefined && body.clientId !== undefined && key !== body.clientId) {
        throw invalidFields('Idempotency-Key and clientId differ; give one', 'clientId');
      }
      const posted = await postMessage(chat, caller, params.id, { ...body, clientId: key ?? body.clientId });
      const replayed = posted.replayed ? { 'Idempotency-Replayed': 'true' } : undefined;
      if (posted.kind === 'command') {
        const body = { id: posted.id, chatroom: params.id, command: posted.command };
        return { status: 202, body, ...(replayed ? { headers: replayed } : {}) };
      }
      const { id, seq, createdAt } = posted;
      const Location = `/v1/chat/rooms/${encodeURIComponent(params.id)}/messages/${encodeURIComponent(id)}`;
      return { status: replayed ? 200 : 201, body: { id, seq, createdAt }, headers: replayed ?? { Location } };
    },
  }),
  defineRoute({
    method: 'get',
    path: `${ROOM}/messages`,
    summary: 'Read a page of messages: newest first, oldest first with after',
    auth: true,
    params: roomParams,
    query: z.object({
      before: seqText.optional().describe('Only messages before this seq'),
      after: seqText.optional().describe('Only messages after this seq'),
      around: seqText.optional().describe('The messages on both sides of this seq'),
      skip: seqText.optional().describe('How many of the newest to pass over; before is the better way'),
      limit: limitText.optional().describe('The page’s length; above the maximum it is clamped'),
      order: z.enum(['asc', 'desc']).optional().describe('By seq'),
    }),
    responses: { 200: { description: 'A page', schema: page } },
    errors: ['invalid_chatroom', 'banned'],
    run: async ({ chat, caller }, { params, query }) => ({
      status: 200,
      body: await readHistory(chat, caller, params.id, query),
    }),
  }),
  defineRoute({
    method: 'get',
    path: `${ROOM}/messages/{mid}`,
    summary: 'Read a message',
    auth: true,
    params: messageParams,
    responses: { 200: { description: 'The message, or what a deletion left of it', schema: message } },
    errors: ['invalid_chatroom', 'banned', 'not_found'],
    run: async ({ chat, caller }, { params }) => ({
      status: 200,
      body: await readMessage(chat, caller, params.id, params.mid),
    }),
  }),
  defineRoute({
    method: 'patch',
    path: `${ROOM}/messages/{mid}`,
    summary: 'Edit a text of your own',
    auth: true,
    params: messageParams,
    body: z.object({ message: visibleText.meta({ examples: ['Hello, all'] }) }),
    responses: { 200: { description: 'The message as it is now', schema: message } },
    errors: [
      'invalid_chatroom',
      'not_a_member',
      'banned',
      'not_found',
      'role_required',
      'invalid_operation',
      'too_large',
    ],
    run: async ({ chat, caller }, { params, body }) => ({
      status: 200,
      body: await editMessage(chat, caller, params.id, params.mid, body.message),
    }),
  }),
  defineRoute({
    method: 'delete',
    path: `${ROOM}/messages/{mid}`,
    summary: 'Delete a message of your own, or any as a moderator; its seq stays',
    auth: true,
    params: messageParams,
    responses: { 204: { description: 'Deleted' } },
    errors: ['invalid_chatroom', 'banned', 'not_found', 'role_required'],
    run: async ({ chat, caller }, { params }) => {
      await deleteMessage(chat, caller, params.id, params.mid);
      return { status: 204 };
    },
  }),
  defineRoute({
    method: 'get',
    path: `${ROOM}/messages/{mid}/image`,
    summary: 'Read the picture of a message',
    auth: true,
    params: messageParams,
    headers: z.object({
      'if-none-match': z
        .string()
        .meta({ description: 'The ETag of the copy you have', examples: ['"2f4b6c8d0e1f5b7c4e8d9a"'] })
        .optional(),
    }),
    responses: {
      200: {
        description: 'The bytes, typed by their content',
        contentTypes: ['image/png', 'image/jpeg', 'image/gif', 'image/webp'],
        headers: { ETag: 'For If-None-Match' },
      },
      304: { description: 'You have it', headers: { ETag: 'For If-None-Match' } },
    },
    errors: ['invalid_chatroom', 'banned', 'not_found'],
    run: async ({ chat, caller }, { params, headers }) => {
      const { contentType, bytes } = await readImage(chat, caller, params.id, params.mid);
      const ETag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
      // Kept, but asked for every time: it may have been deleted, or the reader banned.
      const cached = { ETag, 'Cache-Control': 'private, no-cache' };
      if (tagKnown(headers['if-none-match'], ETag)) return { status: 304, headers: cached };
      return {
        status: 200,
        content: { type: contentType, bytes },
        headers: { ...cached, 'Content-Disposition': 'inline', 'Content-Security-Policy': UPLOAD_POLICY },
      };
    },
  }),
  defineRoute({
    method: 'delete',
    path: '/v1/chat/users/me/messages',
    summary: 'Delete all messages of your own, in rooms you have left, too; call again while the answer has next',
    auth: true,
    query: erasureQuery,
    responses: { 200: { description: 'Deleted so far', schema: erasure } },
    errors: ['role_required'],
    run: async ({ chat, caller }, { query }) => ({
      status: 200,
      body: await eraseMessages(chat, caller, caller.user, query.cursor),
    }),
  }),
  defineRoute({
    method: 'delete',
    path: '/v1/chat/users/{user}/messages',
    summary: 'Delete all messages of a user, as an admin; call again while the answer has next',
    auth: true,
    params: z.object({ user: userId.describe('The user') }),
    query: erasureQuery,
    responses: { 200: { description: 'Deleted so far', schema: erasure } },
    errors: ['role_required'],
    run: async ({ chat, caller }, { params, query }) => ({
      status: 200,
      body: await eraseMessages(chat, caller, params.user, query.cursor),
    }),
  }),
  defineRoute({
    method: 'put',
    path: `${ROOM}/read`,
    summary: 'Mark everything up to a seq as read; a mark never goes back',
    auth: true,
    params: roomParams,
    body: z.object({ seq }),
    responses: { 204: { description: 'Marked' } },
    errors: ['invalid_chatroom', 'not_a_member', 'banned'],
    run: async ({ chat, caller }, { params, body }) => {
      await markRead(chat, caller, params.id, body.seq);
      return { status: 204 };
    },
  }),
];
