import type { Chat } from './chat.ts';
import { ChatError } from './errors.ts';
import { keepTrying } from './keep-trying.ts';
import type { Account, Command, RoomView } from './model.ts';
import { newId } from './new-id.ts';
import { iso } from './ports/clock.ts';
import { OPEN_COMMANDS_MAX } from './ports/store.ts';
import type { Draft } from './rules/draft.ts';

export interface CommandDraft {
  readonly text: string;
  readonly word: string;
  readonly args: string;
  readonly draft: Draft;
  readonly fingerprint: string;
}

/** A late answer is still shown this long after the sender was told of silence. */
export const LATE_MS = 60_000;
/** An unknown outcome is asked after for the first time after this. */
const SETTLE_MS = 500;

/** Stores a bot command and queues it. It is no message: nobody sees it but as `commandEcho` says. */
export async function postCommand(
  chat: Chat,
  caller: Account,
  view: RoomView,
  { text, word, args, draft, fingerprint }: CommandDraft,
): Promise<{ kind: 'command'; id: string; command: string; replayed: boolean }> {
  if (caller.type === 3) throw new ChatError('cannot_send', 'bots do not command bots');
  if (!chat.commands.has(word)) throw new ChatError('bot_unavailable', `no bot answers /${word}`);
  const id = newId(chat.clock.now());
  const now = chat.clock.now();
  const command: Command = {
    id,
    chatroom: view.room.id,
    user: caller.user,
    userName: caller.name,
    clientId: draft.clientId ?? id,
    fingerprint,
    command: word,
    args,
    message: text,
    createdAt: iso(now),
    deadline: now + chat.settings.replyTimeoutMs,
  };
  const stored = await put(chat, command); // commit point: from here it will be run
  if (stored.replayed) {
    // The first answer was lost, and perhaps what follows it.
    void takeUp(chat, stored.id).catch((cause: unknown) => {
      chat.log.warn('a replayed command could not be read', { id: stored.id, cause });
    });
    return { kind: 'command', id: stored.id, command: word, replayed: true };
  }
  runCommand(chat, command);
  echo(chat, command);
  return { kind: 'command', id, command: word, replayed: false };
}

async function put(chat: Chat, command: Command): ReturnType<Chat['store']['putCommand']> {
  try {
    return await chat.store.putCommand(command);
  } catch (cause) {
    // Unknown: what was stored all the same is run once the store answers again.
    if (cause instanceof ChatError && cause.code === 'try_again') {
      keepTrying(
        chat.clock,
        SETTLE_MS,
        () => takeUp(chat, command.id),
        () => {},
      );
    }
    throw cause;
  }
}

/** Whether an answer would still be shown. */
export const isAwaited = (chat: Pick<Chat, 'clock'>, { deadline }: Command): boolean =>
  chat.clock.now() <= deadline + LATE_MS;

/** Runs a command if it is stored and its answer could still be shown. Resolves whether it is stored. */
async function takeUp(chat: Chat, id: string): Promise<boolean> {
  const command = await chat.store.command(id);
  if (command && isAwaited(chat, command)) runCommand(chat, command);
  return command !== undefined;
}

/** Queues a stored command and watches for silence. Doing so twice, on any nodes, has the effect of once. */
function runCommand(chat: Chat, command: Command): void {
  const { id, user, deadline } = command;
  const queue = async (): Promise<boolean> => {
    await chat.jobs.publish(command);
    return true;
  };
  keepTrying(chat.clock, 0, queue, (cause) => chat.log.error('a command could not be queued', { id, cause }));
  const giveUp = async (): Promise<boolean> => {
    if (await chat.store.giveUpCommand(id)) chat.hub.tellAll({ kind: 'failure', user, event: 'message', id });
    return true;
  };
  keepTrying(chat.clock, deadline - chat.clock.now(), giveUp, (cause) => {
    chat.log.error('a silent command could not be settled', { id, cause });
  });
}

/** Takes up what other processes stored and did not finish: at start, and when a node died. */
export async function recoverCommands(chat: Chat): Promise<void> {
  for (const command of await chat.store.openCommands(OPEN_COMMANDS_MAX)) runCommand(chat, command);
}

function echo(chat: Chat, { id, user, chatroom, message, userName, createdAt }: Command): void {
  if (chat.settings.commandEcho === 'none') return;
  chat.hub.tellAll({
    kind: 'command',
    id,
    user,
    name: userName,
    chatroom,
    message,
    at: createdAt,
    to: chat.settings.commandEcho,
  });
}
