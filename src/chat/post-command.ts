import type { Chat } from './chat.ts';
import { ChatError } from './errors.ts';
import type { Account, Command, RoomView } from './model.ts';
import { newId } from './new-id.ts';
import { iso } from './ports/clock.ts';
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
const OPEN_COMMANDS = 10_000;

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
  const stored = await chat.store.putCommand(command); // commit point: from here it will be run
  if (stored.replayed) return { kind: 'command', id: stored.id, command: word, replayed: true };
  runCommand(chat, command);
  echo(chat, command);
  return { kind: 'command', id, command: word, replayed: false };
}

/** Queues a stored command and watches for silence. Doing so twice, on any nodes, has the effect of once. */
function runCommand(chat: Chat, command: Command): void {
  chat.jobs.publish(command).catch((cause: unknown) => {
    chat.log.warn('a command could not be queued yet', { id: command.id, cause });
  });
  chat.clock.after(Math.max(0, command.deadline - chat.clock.now()), () => {
    chat.store.giveUpCommand(command.id).then(
      (silent) => {
        if (silent) chat.hub.tellAll({ kind: 'failure', user: command.user, event: 'message', id: command.id });
      },
      (cause: unknown) => chat.log.warn('a silent command could not be settled', { id: command.id, cause }),
    );
  });
}

/** Takes up what other processes stored and did not finish: at start, and when a node died. */
export async function recoverCommands(chat: Chat): Promise<void> {
  for (const command of await chat.store.openCommands(OPEN_COMMANDS)) runCommand(chat, command);
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
