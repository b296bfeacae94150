import { createHash, randomUUID } from 'node:crypto';
import { authenticate } from './authenticate.ts';
import type { Chat } from './chat.ts';
import { ChatError, noSuchRoom } from './errors.ts';
import type { Account, Command } from './model.ts';
import { newId } from './new-id.ts';
import { iso } from './ports/clock.ts';
import type { BotReply, Take } from './ports/jobs.ts';
import { appendMessage } from './post-message.ts';
import { postReply, type Reply } from './post-reply.ts';
import { assertTextSize, fingerprintOf } from './rules/draft.ts';
import { textType } from './rules/text-type.ts';
import { fitsTicket, parseTicket } from './ticket.ts';

/** Bots whose epochs are remembered. */
const EPOCHS_MAX = 10_000;
const CLIENT_ID_MAX = 128;

/**
 * Where what bots say enters: with the token of a command as the answer to that one, with a bot's own token as the
 * answer to any command, or as a message of the bot. Rejects with what is wrong with a reply; those are never shown.
 */
export function replyTaker(chat: Chat): Take<BotReply> {
  const epochs = new Map<string, number>();

  return async (reply) => {
    const ticket = parseTicket(reply.token);
    if (ticket) {
      const command = await chat.store.command(ticket.id);
      if (!command || !fitsTicket(command, ticket.secret)) {
        throw new ChatError('invalid_token', 'there is no command with this ticket (any more)');
      }
      await answer(chat, command, reply, botOf(reply, command), epochs);
      return;
    }
    const account = await authenticate(chat, reply.token);
    const isBot = account.roles.includes('bot');
    const command = reply.inReplyTo === undefined ? undefined : await chat.store.command(reply.inReplyTo);
    if (command && !isBot && chat.settings.forwardTokens && account.user === command.user) {
      await answer(chat, command, reply, botOf(reply, command), epochs);
      return;
    }
    if (!isBot) throw new ChatError('role_required', 'this needs a token of role bot, or that of the command');
    const bot = { id: account.user, name: account.name };
    if (command) await answer(chat, command, reply, bot, epochs);
    else if (reply.inReplyTo === undefined) await postAsBot(chat, account, reply, epochs);
    else throw new ChatError('not_found', 'there is no command with this id (any more)');
  };
}

/**
 * Who answers with the token of a command: a bot by the name that it gives itself, or, where only the earlier server's
 * fields came, one named after the word. The prefix keeps it from passing for a user.
 */
function botOf({ bot }: BotReply, { command }: Command): Reply['bot'] {
  const name = bot?.name ?? `${command.charAt(0).toUpperCase()}${command.slice(1)} bot`;
  const id = bot?.id ?? `bot-${(bot?.name ?? command).toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, '-')}`;
  return { id, name };
}

async function answer(
  chat: Chat,
  command: Command,
  reply: BotReply,
  bot: Reply['bot'],
  epochs: Map<string, number>,
): Promise<void> {
  if (reply.inReplyTo !== undefined && reply.inReplyTo !== command.id) {
    throw new ChatError('invalid_operation', 'the token of a command answers no other command');
  }
  if (reply.chatroom !== command.chatroom) {
    throw new ChatError('invalid_operation', 'a command is answered in its own room');
  }
  assertShowable(reply, bot.id, epochs);
  if (reply.error !== undefined) {
    chat.log.info('a bot could not answer', { id: command.id, bot: bot.name, error: reply.error });
    if (await chat.store.giveUpCommand(command.id)) {
      chat.hub.tellAll({ kind: 'failure', user: command.user, event: 'message', id: command.id });
    }
    return;
  }
  await postReply(chat, command, { bot, text: reply.message, slot: slotOf(reply), meta: reply.meta });
}

/**
 * One reply is visible per slot of a command: the number that a bot gives its reply, 0 where it says only what it
 * answers. What comes in the earlier server's fields alone says neither: there the id that the queue gave it counts, and
 * without one it is a reply of its own.
 */
function slotOf({ n, inReplyTo, id }: BotReply): string {
  if (n !== undefined || inReplyTo !== undefined) return String(n ?? 0);
  return createHash('sha256')
    .update(id ?? randomUUID())
    .digest('base64url');
}

async function postAsBot(
  chat: Chat,
  { user, name }: Account,
  reply: BotReply,
  epochs: Map<string, number>,
): Promise<void> {
  const { chatroom, message, meta } = reply;
  assertShowable(reply, user, epochs);
  if (reply.error !== undefined) throw new ChatError('invalid_operation', 'an error belongs to a command');
  assertTextSize(message, chat.settings);
  const view = await chat.store.standing(chatroom, user);
  if (!view) throw noSuchRoom();
  if (view.ban) throw new ChatError('banned', 'the bot is banned from this room');
  const id = newId(chat.clock.now());
  await appendMessage(chat, {
    id,
    chatroom,
    owner: user,
    ownerName: name,
    type: textType(message),
    message,
    createdAt: iso(chat.clock.now()),
    clientId: clientIdOf(reply.id) ?? id,
    fingerprint: fingerprintOf({ message, meta }, undefined),
    bot: { name },
    ...(meta === undefined ? {} : { meta }),
  });
}

/** An id of a queue may be longer than one of the chat. */
const clientIdOf = (id: string | undefined): string | undefined =>
  id === undefined || id.length <= CLIENT_ID_MAX ? id : createHash('sha256').update(id).digest('hex');

/**
 * A room has no message for one member only, and to show it to all would betray what it says. The epochs are those that
 * this process has seen: it keeps a bot that was replaced from talking on, it is no lock.
 */
function assertShowable({ ephemeral, bot }: BotReply, id: string, epochs: Map<string, number>): void {
  if (ephemeral) throw new ChatError('invalid_operation', 'a reply is shown to the whole room or not at all');
  if (bot?.epoch === undefined) return;
  const newest = epochs.get(id) ?? bot.epoch;
  if (bot.epoch < newest) throw new ChatError('invalid_operation', 'a newer run of this bot has taken over');
  epochs.delete(id); // to the end of the order, in which the oldest go
  epochs.set(id, bot.epoch);
  const [oldest] = epochs.size > EPOCHS_MAX ? epochs.keys() : [];
  if (oldest !== undefined) epochs.delete(oldest);
}
