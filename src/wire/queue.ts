import { z } from 'zod';
import { EXAMPLES } from './examples.ts';
import { id, messageId, seq, text, time, userId, userName } from './fields.ts';
import { meta } from './message.ts';

/** Headers of the queues that are no part of AMQP. */
export const HEADERS = {
  /** How often a message failed before: it is queued anew at each failure. */
  deliveries: 'x-parley-deliveries',
  /** Of a message that was put aside: a code of the error table, what was wrong in words, and where it came from. */
  reason: 'x-parley-reason',
  detail: 'x-parley-detail',
  queue: 'x-parley-queue',
} as const;

/** Where a message goes that can never be taken. */
export const deadQueueOf = (queue: string): string => `${queue}.dead`;

const TICKET = `ticket.${EXAMPLES.commandId}.uQ0nV8d3yBzG1fWcK5sT7aXe2LhPjM9r`;
const token = z.string().min(1).max(8192);

/** Chat → bots. Whoever sends only the first three, as the earlier chat server did, gets an answer of these three. */
export const botCommand = z
  .object({
    chatroom: id.describe('The room to answer in'),
    token: token.describe('Goes back with the answer: a ticket that is good for this command alone'),
    message: z.string().min(1).describe('The text as sent'),
    v: z.int().min(1).optional().describe('Version of these fields: 1'),
    id: messageId.optional().describe('Of the command; the same id may come several times'),
    command: z.string().optional().describe('The word in lower case without /'),
    args: z.string().optional().describe('The rest of the text after = or white space'),
    user: z.object({ id: userId, name: z.string() }).optional().describe('Who sent it'),
    kind: z.enum(['command', 'post']).optional().describe('post: a message, to bots that asked for all of a room'),
    seq: seq.optional().describe('Of a post'),
    deadline: time.optional().describe('When the sender is told of silence; an answer is shown for 60 s more'),
  })
  .meta({
    id: 'BotCommand',
    examples: [
      {
        chatroom: EXAMPLES.roomId,
        token: TICKET,
        message: '/hello Ben',
        v: 1,
        id: EXAMPLES.commandId,
        command: 'hello',
        args: 'Ben',
        user: { id: EXAMPLES.user, name: 'Ann' },
        kind: 'command',
        deadline: EXAMPLES.time,
      },
      { chatroom: EXAMPLES.roomId, token: TICKET, message: '/hello Ben' },
    ],
  });

const replyError = z.union([z.int(), text.max(1000)]);

/** Bots → chat. The first three are enough: the token tells which command is answered, or which bot it is that speaks. */
export const botReply = z
  .object({
    chatroom: id.describe('The room of the command'),
    token: token.describe('That of the command, or the token of an account of role bot'),
    message: text.describe('What is shown'),
    id: text.min(1).max(255).optional().describe('The same id twice is shown once; the messageId where it is absent'),
    inReplyTo: messageId.optional().describe('The command'),
    n: z.int().min(0).max(99).optional().describe('0, 1, 2 … of several answers to one command; each is shown once'),
    final: z.boolean().optional().describe('false: more answers follow. Nothing depends on it'),
    ephemeral: z.boolean().optional().describe('true is refused: a room has no message for one member only'),
    error: replyError
      .optional()
      .describe(
        'Why there is no answer: nothing is shown, and the sender is told at once; 0 and an empty text are none',
      ),
    bot: z
      .object({
        name: userName.describe('Shown as the author of an answer'),
        id: z
          .string()
          .regex(/^bot-[\w.-]{1,64}$/)
          .optional()
          .describe('Owner of the answer; made of the name where it is absent'),
        instance: text.max(128).optional().describe('Which of several runs of this bot; for people who read the queue'),
        epoch: z
          .int()
          .min(0)
          .optional()
          .describe('Rises when a run replaces another, which is not heard any more then'),
      })
      .optional(),
    meta: meta.optional(),
  })
  .refine((it) => it.message.trim() !== '' || (it.error !== undefined && it.error !== 0 && it.error !== ''), {
    message: 'must not be empty or only white space',
    path: ['message'],
  })
  .meta({
    id: 'BotReply',
    examples: [
      {
        chatroom: EXAMPLES.roomId,
        token: TICKET,
        message: 'Hello, Ben!',
        id: `${EXAMPLES.commandId}:bot-hello:0`,
        inReplyTo: EXAMPLES.commandId,
        n: 0,
        final: true,
        bot: { name: 'Hello bot', id: 'bot-hello', instance: 'host-1', epoch: 1 },
      },
      { chatroom: EXAMPLES.roomId, token: TICKET, message: 'Hello, Ben!' },
    ],
  });
