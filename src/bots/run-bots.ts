import type { Chat } from '../chat/chat.ts';
import { isAwaited } from '../chat/post-command.ts';
import { postReply } from '../chat/post-reply.ts';
import type { Bot } from './bot.ts';

const PREFETCH = 50;

/** Takes commands from the queue and posts what the bots answer. A command is settled when its answer is stored. */
export async function runBots(chat: Chat, bots: readonly Bot[]): Promise<void> {
  const byWord = new Map(bots.flatMap((bot) => bot.words.map((word) => [word, bot] as const)));
  await chat.jobs.consume(PREFETCH, async (command) => {
    // Where bots are slower than their commands come, the queue must not be worked off for nobody.
    if (!isAwaited(chat, command)) return;
    const bot = byWord.get(command.command);
    if (!bot) throw new Error(`no bot here answers /${command.command}`);
    await postReply(chat, command, { bot, text: await bot.answer(command.args), n: 0 });
  });
}
