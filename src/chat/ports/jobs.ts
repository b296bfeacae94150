import type { Command, MessageId, RoomId, UserId } from '../model.ts';
import type { Clock } from './clock.ts';

/** A late answer is still shown this long after the sender was told of silence. */
export const LATE_MS = 60_000;

/** Whether an answer would still be shown. */
export const isAwaited = ({ clock }: { readonly clock: Clock }, { deadline }: Pick<Command, 'deadline'>): boolean =>
  clock.now() <= deadline + LATE_MS;

/** A command as bots get it. */
export interface BotCommand {
  readonly chatroom: RoomId;
  /** Lets its holder answer this command; not to be looked into. */
  readonly token: string;
  /** The text as sent. */
  readonly message: string;
  /** The word in lower case without `/`. */
  readonly command: string;
  readonly args: string;
  /** This and what follows is absent where the earlier chat server asks. */
  readonly id?: MessageId;
  readonly user?: { readonly id: UserId; readonly name: string };
  /** When the sender is told of silence; milliseconds since 1970. */
  readonly deadline?: number;
}

/** One that this server hands out. */
export type NewBotCommand = Required<BotCommand>;

/** What a bot says: an answer to a command, or, with a token of its own, a message. */
export interface BotReply {
  readonly chatroom: RoomId;
  /** That of the command, or the bot's own. */
  readonly token: string;
  readonly message: string;
  /** The same id twice is one message. */
  readonly id?: string;
  /** The command that is answered; known by its token as well. */
  readonly inReplyTo?: MessageId;
  /** 0, 1, 2 … when a command is answered several times; 0 when absent. */
  readonly n?: number;
  /** Only for the command's sender. */
  readonly ephemeral?: boolean;
  /** Why the command cannot be answered. */
  readonly error?: string;
  readonly bot?: {
    readonly name: string;
    /** Begins with `bot-`. */
    readonly id?: string;
    /** Of several runs of one bot, those with a lower number than the highest are not heard any more. */
    readonly epoch?: number;
  };
  readonly meta?: Readonly<Record<string, unknown>>;
}

/**
 * What takes a delivery, and how it ends: done when it resolves; made again later, however often, when it rejects with
 * a ChatError that says `retry`; put aside at once when it rejects with any other ChatError; made again 5 times at most
 * when it rejects with anything else. A queue within the server puts nothing aside and counts all alike. What is not
 * settled when its taker dies is delivered to another.
 */
export type Take<T> = (delivered: T) => Promise<void>;

/** The chat's end of the queues: commands go out, replies come in, both at least once. */
export interface Jobs {
  /**
   * Resolves when the queue has taken the command and would keep it; rejects within 5 s otherwise, and then nobody
   * knows. The same id twice has the effect of once: there is one visible reply to it.
   */
  publish(command: NewBotCommand): Promise<void>;
  /** Takes replies from now on, at most `prefetch` at a time. Resolves whether or not the queue is there already. */
  replies(prefetch: number, take: Take<BotReply>): Promise<void>;
}

/** The bots' end: each command goes to one of the competing consumers. */
export interface BotJobs {
  /** At most `prefetch` at a time are under way here. Resolves whether or not the queue is there already. */
  consume(prefetch: number, run: Take<BotCommand>): Promise<void>;
  /** Resolves when the queue has taken the reply; rejects within 5 s otherwise. */
  reply(reply: BotReply): Promise<void>;
}
