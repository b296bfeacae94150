import { randomBytes } from 'node:crypto';
import { tokenOf } from './authenticate.ts';
import type { Chat } from './chat.ts';
import { ChatError, tryAgain } from './errors.ts';
import { keepTrying } from './keep-trying.ts';
import type { Account, Command, MessageId, Standing } from './model.ts';
import { newId } from './new-id.ts';
import { iso } from './ports/clock.ts';
import { isAwaited, type NewBotCommand } from './ports/jobs.ts';
import { OPEN_COMMANDS_MAX } from './ports/store.ts';
import type { Draft } from './rules/draft.ts';
import { ticketOf } from './ticket.ts';

export interface CommandDraft {
  readonly text: string;
  readonly word: string;
  readonly args: string;
  readonly draft: Draft;
  readonly fingerprint: string;
}

/** An unknown outcome is asked after for the first time after this. */
const SETTLE_MS = 500;
/** Between two tries to queue a command; a queue that is away takes its time to say so, too. */
const QUEUE_AGAIN_MS = 1000;

/** Stores a bot command and queues it. It is no message: nobody sees it but as `commandEcho` says. */
export async function postCommand(
  chat: Chat,
  caller: Account,
  view: Standing,
  { text, word, args, draft, fingerprint }: CommandDraft,
): Promise<{ kind: 'command'; id: string; command: string; replayed: boolean }> {
  if (caller.type === 3) throw new ChatError('cannot_send', 'bots do not command bots');
  if (!chat.commands.has(word)) throw new ChatError('bot_unavailable', `no bot answers /${word}`);
  const now = chat.clock.now();
  const id = newId(now);
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
    ticket: randomBytes(24).toString('base64url'),
  };
  await assertPlace(chat, command);
  const stored = await put(chat, command); // commit point: from here it will be run
  if (stored.replayed) {
    // The first answer was lost, and perhaps what follows it.
    void takeUp(chat, stored.id).catch((cause: unknown) => {
      chat.log.warn('a replayed command could not be read', { id: stored.id, cause });
    });
    return { kind: 'command', id: stored.id, command: word, replayed: true };
  }
  // Only from here: stored it is nowhere, so whoever takes the command up later hands out a ticket.
  runCommand(chat, command, chat.settings.forwardTokens ? tokenOf(caller) : undefined);
  echo(chat, command);
  return { kind: 'command', id, command: word, replayed: false };
}

/**
 * What the queue has not taken yet waits here, also when its sender was told of silence and the store does not count it
 * among the open ones any more: memory has an end. Whoever asks for a receipt again gets it all the same.
 */
async function assertPlace(chat: Chat, { chatroom, user, clientId }: Command): Promise<void> {
  if (inHandOf(chat).unqueued < OPEN_COMMANDS_MAX) return;
  if (!(await chat.store.findReceipt(chatroom, user, clientId))) throw tryAgain('the queue of commands');
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

/** Runs a command if it is stored and its answer could still be shown. Resolves whether it is stored. */
async function takeUp(chat: Chat, id: string): Promise<boolean> {
  const command = await chat.store.command(id);
  if (command && isAwaited(chat, command)) runCommand(chat, command);
  return command !== undefined;
}

/** What this process has to do with commands at the moment. */
interface InHand {
  /** Queued and watched: taking them up again, as a suspicion may each second, is no use. */
  readonly watched: Set<MessageId>;
  /** How many the queue has not taken. */
  unqueued: number;
}

const inHand = new WeakMap<Chat, InHand>();

function inHandOf(chat: Chat): InHand {
  const held = inHand.get(chat) ?? { watched: new Set(), unqueued: 0 };
  inHand.set(chat, held);
  return held;
}

/** Queues a stored command and watches for silence. Doing so twice, on any nodes, has the effect of once. */
function runCommand(chat: Chat, command: Command, token = ticketOf(command)): void {
  const { id, user, deadline } = command;
  const { watched } = inHandOf(chat);
  if (watched.has(id)) return;
  watched.add(id);
  queueCommand(chat, jobOf(command, token));
  const giveUp = async (): Promise<boolean> => {
    if (await chat.store.giveUpCommand(id)) chat.hub.tellAll({ kind: 'failure', user, event: 'message', id });
    watched.delete(id);
    return true;
  };
  keepTrying(chat.clock, deadline - chat.clock.now(), giveUp, (cause) => {
    watched.delete(id);
    chat.log.error('a silent command could not be settled', { id, cause });
  });
}

const jobOf = ({ id, chatroom, message, command, args, user, userName, deadline }: Command, token: string) => ({
  id,
  chatroom,
  token,
  message,
  command,
  args,
  user: { id: user, name: userName },
  deadline,
});

/** As often as it takes, while an answer would be shown: a queue that was away finds all of them at once. */
function queueCommand(chat: Chat, job: NewBotCommand): void {
  const held = inHandOf(chat);
  held.unqueued += 1;
  const attempt = (): void => {
    chat.jobs.publish(job).then(
      () => {
        held.unqueued -= 1;
      },
      (cause: unknown) => {
        if (isAwaited(chat, job)) {
          chat.clock.after(QUEUE_AGAIN_MS, attempt);
          return;
        }
        held.unqueued -= 1;
        chat.log.error('a command could not be queued in time', { id: job.id, cause });
      },
    );
  };
  attempt();
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
