import type { Hub } from './hub.ts';
import type { Accounts } from './ports/accounts.ts';
import type { Clock } from './ports/clock.ts';
import type { Jobs } from './ports/jobs.ts';
import type { Limits, Rate } from './ports/limits.ts';
import type { Log } from './ports/log.ts';
import type { Presence } from './ports/presence.ts';
import type { Store } from './ports/store.ts';

/** The most that {@link ChatSettings.messageBytes} may be. */
export const MESSAGE_BYTES_MAX = 1024 * 1024;

/** The numbers that operators may change. */
export interface ChatSettings {
  /** UTF-8 bytes of a text. */
  readonly messageBytes: number;
  /** Bytes of a decoded image. */
  readonly imageBytes: number;
  /** Messages of a page: when not asked otherwise, and at most. */
  readonly historyPage: number;
  readonly historyMax: number;
  /** Rooms one user may be a member of. */
  readonly maxRooms: number;
  /** Typing goes off by itself after this. */
  readonly typingMs: number;
  readonly messages: Rate;
  readonly rooms: Rate;
  readonly typing: Rate;
  /** Who sees a command as it was typed. */
  readonly commandEcho: 'none' | 'sender' | 'room';
  /** A command's sender is told of silence after this. */
  readonly replyTimeoutMs: number;
  /** Bots get their users' own tokens instead of tickets. */
  readonly forwardTokens: boolean;
}

/** All a use case works with: `useCase(chat, caller, input)`. */
export interface Chat {
  readonly store: Store;
  readonly hub: Hub;
  readonly jobs: Jobs;
  readonly accounts: Accounts;
  readonly presence: Presence;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly log: Log;
  /** Told how long each append took, in seconds. */
  readonly appended: (seconds: number) => void;
  readonly settings: ChatSettings;
  /** Words that some bot answers, in lower case without `/`. */
  readonly commands: ReadonlySet<string>;
}

/** A page ends at its limit or here, with at least one message. */
export const PAGE_BYTES = 512 * 1024;
