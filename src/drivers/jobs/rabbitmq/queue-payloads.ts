import type { z } from 'zod';
import { ChatError, invalidFields } from '../../../chat/errors.ts';
import { iso } from '../../../chat/ports/clock.ts';
import type { BotCommand, BotReply, NewBotCommand } from '../../../chat/ports/jobs.ts';
import { botCommand, botReply } from '../../../wire/queue.ts';

/** Larger than anything that could be shown: not even looked into. */
const MAX_BYTES = 1024 * 1024;

export type CommandPayload = z.input<typeof botCommand>;

/** @throws too_large, invalid_fields */
function parse<T>(schema: z.ZodType<T>, body: Buffer): T {
  if (body.length > MAX_BYTES) throw new ChatError('too_large', `a message of a queue has at most ${MAX_BYTES} bytes`);
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch {
    throw invalidFields('not JSON'); // the parser's own words would quote what may hold a token
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.join('.') ?? '';
  throw invalidFields(`${field === '' ? 'the message' : field}: ${issue?.message ?? 'not valid'}`, field);
}

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without what is undefined, which the port's types do not know. */
const given = <T extends object>(fields: T): Given<T> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Given<T>;

export function formCommand({ deadline, ...command }: NewBotCommand): CommandPayload {
  return { ...command, v: 1, kind: 'command', deadline: iso(deadline) };
}

/** Undefined for what is no command. */
export function parseCommand(body: Buffer): BotCommand | undefined {
  const { chatroom, token, message, id, command, args, user, kind, deadline } = parse(botCommand, body);
  if (kind === 'post') return undefined;
  const said = command === undefined ? readWord(message) : { command, args: args ?? '' };
  const due = deadline === undefined ? undefined : Date.parse(deadline);
  return { chatroom, token, message, ...said, ...given({ id, user, deadline: due }) };
}

/** The chat splits commands by the same rule; the earlier server left that to the bots. */
function readWord(message: string): { command: string; args: string } {
  const [whole, word] = /^\/([\p{L}\p{N}_-]{1,64})(?:$|[=\s])/u.exec(message) ?? [];
  if (whole === undefined || word === undefined) throw invalidFields('message: must be a command', 'message');
  return { command: word.toLowerCase(), args: message.slice(whole.length).trim() };
}

export function parseReply(body: Buffer, messageIdOfQueue: string | undefined): BotReply {
  const { chatroom, token, message, error, bot, final: _final, ...more } = parse(botReply, body);
  return {
    chatroom,
    token,
    message,
    ...given({
      ...more,
      id: messageIdOfQueue ?? more.id,
      error: error === undefined || error === 0 || error === '' ? undefined : String(error),
      bot: bot && { name: bot.name, ...given({ id: bot.id, epoch: bot.epoch }) },
    }),
  };
}
