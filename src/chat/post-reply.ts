import type { Chat } from './chat.ts';
import { ChatError } from './errors.ts';
import type { Command, Receipt } from './model.ts';
import { newId } from './new-id.ts';
import { iso } from './ports/clock.ts';
import { isAwaited } from './ports/jobs.ts';
import { appendMessage } from './post-message.ts';
import { assertTextSize } from './rules/draft.ts';
import { textType } from './rules/text-type.ts';

export interface Reply {
  readonly bot: { readonly id: string; readonly name: string };
  readonly text: string;
  /** Tells several replies to one command apart: 0, 1, 2 …, or what stands for it. */
  readonly slot: string;
  readonly meta?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * Posts a bot's answer: exactly one visible message per (command, bot, slot), however often a bot is run. Undefined when
 * it comes too late to be shown; the receipt of another run's answer when that was first.
 */
export async function postReply(
  chat: Chat,
  command: Command,
  { bot, text, slot, meta }: Reply,
): Promise<Receipt | undefined> {
  if (!isAwaited(chat, command)) {
    chat.log.info('a reply came too late', { id: command.id, bot: bot.name });
    return undefined;
  }
  assertTextSize(text, chat.settings);
  try {
    return await appendMessage(chat, {
      id: newId(chat.clock.now()),
      chatroom: command.chatroom,
      owner: bot.id,
      ownerName: bot.name,
      type: textType(text),
      message: text,
      createdAt: iso(chat.clock.now()),
      clientId: `${command.id}:${slot}`,
      fingerprint: 'reply',
      inReplyTo: command.id,
      bot: { name: bot.name },
      ...(meta === undefined ? {} : { meta }),
    });
  } catch (cause) {
    // The room was deleted meanwhile: nobody is left to answer.
    if (cause instanceof ChatError && cause.code === 'invalid_chatroom') return undefined;
    throw cause;
  }
}
