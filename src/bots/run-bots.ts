import type { Clock } from '../chat/ports/clock.ts';
import { type BotCommand, type BotJobs, type BotReply, isAwaited } from '../chat/ports/jobs.ts';
import type { Bot } from './bot.ts';

export interface BotPorts {
  readonly jobs: BotJobs;
  readonly clock: Clock;
  /** Commands under way at a time. */
  readonly prefetch: number;
}

/** Takes commands from the queue and hands back what the bots answer. A command is settled when its answer is queued. */
export async function runBots({ jobs, clock, prefetch }: BotPorts, bots: readonly Bot[]): Promise<void> {
  const byWord = new Map(bots.flatMap((bot) => bot.words.map((word) => [word, bot] as const)));
  await jobs.consume(prefetch, async (command) => {
    const { deadline } = command;
    // Where bots are slower than their commands come, the queue must not be worked off for nobody.
    if (deadline !== undefined && !isAwaited({ clock }, { deadline })) return;
    const bot = byWord.get(command.command);
    if (!bot) throw new Error(`no bot here answers /${command.command}`);
    await jobs.reply(replyTo(command, bot, await bot.answer(command.args)));
  });
}

/** Who sent no id gets what the earlier server knows: the three fields, with the token as it came. */
function replyTo({ id, chatroom, token }: BotCommand, bot: Bot, message: string): BotReply {
  const reply = { chatroom, token, message };
  if (id === undefined) return reply;
  return { ...reply, id: `${id}:${bot.id}:0`, inReplyTo: id, n: 0, bot: { id: bot.id, name: bot.name } };
}
