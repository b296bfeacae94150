import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Chat, ChatSettings } from '../../src/chat/chat.ts';
import { ChatError } from '../../src/chat/errors.ts';
import { Hub } from '../../src/chat/hub.ts';
import type { Account } from '../../src/chat/model.ts';
import type { Accounts } from '../../src/chat/ports/accounts.ts';
import type { Bus, BusListener, NodeEvent, RoomEvent } from '../../src/chat/ports/bus.ts';
import type { Clock } from '../../src/chat/ports/clock.ts';
import type { NewBotCommand } from '../../src/chat/ports/jobs.ts';
import type { Limits } from '../../src/chat/ports/limits.ts';
import type { Log } from '../../src/chat/ports/log.ts';
import type { Store } from '../../src/chat/ports/store.ts';
import { SlidingWindow } from '../../src/chat/sliding-window.ts';
import { SqliteStore } from '../../src/drivers/store/sqlite/sqlite-store.ts';
import { SqliteWriter } from '../../src/drivers/store/sqlite/sqlite-writer.ts';

export const TEST_SETTINGS: ChatSettings = {
  messageBytes: 16 * 1024,
  imageBytes: 512 * 1024,
  historyPage: 50,
  historyMax: 200,
  maxRooms: 500,
  typingMs: 6000,
  messages: null,
  rooms: null,
  typing: null,
  commandEcho: 'none',
  replyTimeoutMs: 10_000,
  forwardTokens: false,
};

export interface TestChatOptions {
  readonly settings?: Partial<ChatSettings>;
  readonly commands?: readonly string[];
  /** Puts something in front of the store, to make it fail or to watch it. */
  readonly wrapStore?: (store: Store) => Store;
  readonly wrapBus?: (bus: Bus) => Bus;
}

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface TestChat {
  readonly chat: Chat;
  /** Makes an account and resolves with its token. */
  readonly addAccount: (user: string, facts?: Partial<Account>) => string;
  readonly dropToken: (token: string) => void;
  /** While true, tokens cannot be checked. */
  readonly accountsAway: (away: boolean) => void;
  /** Users with a socket somewhere. */
  readonly online: Set<string>;
  readonly commands: NewBotCommand[];
  readonly told: (NodeEvent | RoomEvent)[];
  /** Makes this node hear what another one tells. */
  readonly elsewhere: () => BusListener;
  /** How many things wait on the clock. */
  readonly waiting: () => number;
  /** Runs at once what waits on the clock, but not what it sets up. */
  readonly skipWaits: () => void;
  readonly lines: LogLine[];
  readonly log: Log & { http: Log['info'] };
  readonly close: () => Promise<void>;
}

/** The real use cases on a real store in a folder of its own; accounts, presence, bots and other nodes are played. */
export async function openTestChat(options: TestChatOptions = {}): Promise<TestChat> {
  const dir = await mkdtemp(join(tmpdir(), 'parley-chat-'));
  const writer = await SqliteWriter.open(dir);
  const sqlite = await SqliteStore.open(dir, writer.submit);
  const store = options.wrapStore?.(sqlite) ?? sqlite;
  const clock = realClock();
  const lines: LogLine[] = [];
  const log = recordingLog(lines);
  const told: (NodeEvent | RoomEvent)[] = [];
  const commands: NewBotCommand[] = [];
  const online = new Set<string>();
  const { accounts, tokens, accountsAway } = playedAccounts();
  let listener: BusListener | undefined;
  const bus = lonelyBus(told, (it) => {
    listener = it;
  });
  const hub = new Hub({ bus: options.wrapBus?.(bus) ?? bus, store, clock, log, repaired: () => {} });
  const chat: Chat = {
    store,
    hub,
    accounts,
    appended: () => {},
    clock,
    log,
    jobs: { publish: async (command) => void commands.push(command), replies: async () => {} },
    presence: {
      enter: async (user) => !online.has(user) && Boolean(online.add(user)),
      exit: async (user) => online.delete(user),
      online: async (users) => ({ users: new Set(users.filter((it) => online.has(it))), stale: false }),
      onGone: () => {},
    },
    limits: ownLimits(clock),
    settings: { ...TEST_SETTINGS, ...options.settings },
    commands: new Set(options.commands ?? []),
  };
  return {
    chat,
    addAccount: (user, facts = {}) => {
      const token = `token-of-${user}-${tokens.size}`;
      tokens.set(token, { user, type: 1, name: `Name of ${user}`, roles: ['user'], ...facts });
      return token;
    },
    dropToken: (token) => void tokens.delete(token),
    accountsAway,
    online,
    commands,
    told,
    elsewhere: () => {
      if (!listener) throw new Error('nobody listens to the bus');
      return listener;
    },
    waiting: clock.waiting,
    skipWaits: clock.skipWaits,
    lines,
    log,
    close: async () => {
      clock.stop();
      hub.feeds.close();
      await sqlite.close();
      await writer.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function playedAccounts() {
  const tokens = new Map<string, Account>();
  let away = false;
  const accounts: Accounts = {
    validate: async (token) => {
      if (away) throw new ChatError('account_service', 'the account service is away', { retryAfterMs: 1500 });
      const account = tokens.get(token);
      if (!account) throw new ChatError('invalid_token', 'the token is not valid');
      return account;
    },
    forget: () => {},
  };
  const accountsAway = (it: boolean): void => {
    away = it;
  };
  return { accounts, tokens, accountsAway };
}

/** No other node: what would be sent is kept for the test to look at. */
const lonelyBus = (told: (NodeEvent | RoomEvent)[], listen: Bus['listen']): Bus => ({
  listen,
  subscribe: async () => {},
  unsubscribe: () => {},
  publish: (_room, event) => void told.push(event),
  broadcast: (event) => void told.push(event),
});

function realClock(): Clock & { stop: () => void; waiting: () => number; skipWaits: () => void } {
  const timers = new Map<NodeJS.Timeout, () => void>();
  return {
    now: () => Date.now(),
    after: (delayMs, then) => {
      const run = (): void => {
        clearTimeout(timer);
        if (timers.delete(timer)) then();
      };
      const timer = setTimeout(run, delayMs).unref();
      timers.set(timer, run);
      return () => {
        clearTimeout(timer);
        timers.delete(timer);
      };
    },
    waiting: () => timers.size,
    skipWaits: () => {
      for (const run of [...timers.values()]) run();
    },
    stop: () => {
      for (const timer of timers.keys()) clearTimeout(timer);
      timers.clear();
    },
  };
}

function ownLimits(clock: Clock): Limits {
  const window = new SlidingWindow();
  return {
    take: async (key, rate) => window.take(key, rate, clock.now()),
    refund: (key) => window.refund(key),
  };
}

function recordingLog(lines: LogLine[]): TestChat['log'] {
  const write =
    (level: string) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void =>
      void lines.push({ level, message, fields });
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    http: write('http'),
  };
}
