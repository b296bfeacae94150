import type { Rate } from '../chat/ports/limits.ts';
import { ConfigError } from './config-error.ts';
import type { TrustProxy } from './kinds.ts';
import { refuseNotBuilt } from './not-built.ts';
import { readText } from './read-text.ts';
import { fallbackFor, type Stage, type Variable } from './variable.ts';
import { VARIABLES } from './variables.ts';

export interface Config {
  readonly env: Stage;
  readonly http: {
    readonly port: number;
    readonly interface: string;
    readonly trustProxy: TrustProxy;
    /** `*` is every origin, an empty list none but the server's own. */
    readonly corsOrigin: '*' | readonly string[];
  };
  readonly processes: {
    readonly instances: number;
    readonly shutdownGraceMs: number;
    readonly drainMs: number;
  };
  readonly socket: {
    readonly pingIntervalMs: number;
    readonly pingTimeoutMs: number;
    readonly maxUnreadBytes: number;
    readonly maxUnreadMs: number;
    readonly allowQueryToken: boolean;
    readonly allowEio3: boolean;
  };
  readonly log: {
    readonly level: (typeof VARIABLES.log)['placeholder'];
    readonly format: (typeof VARIABLES.logFormat)['placeholder'];
  };
  readonly store: { readonly kind: 'sqlite'; readonly dir: string };
  readonly fanout: { readonly kind: 'cluster' };
  readonly broker: { readonly kind: 'local' };
  readonly accounts: AccountsConfig;
  readonly limits: {
    readonly messageBytes: number;
    readonly imageBytes: number;
    readonly historyPage: number;
    readonly historyMax: number;
    readonly typingMs: number;
    readonly maxRooms: number;
    readonly bodyBytes: number;
    readonly messages: Rate;
    readonly rooms: Rate;
    readonly typing: Rate;
    readonly guests: Rate;
  };
  readonly bots: {
    readonly commandEcho: 'none' | 'sender' | 'room';
    readonly replyTimeoutMs: number;
    readonly stockUrl?: string;
  };
}

export type AccountsConfig = {
  readonly cacheMs: number;
  readonly timeoutMs: number;
  readonly revalidateMs: number;
} & (
  | { readonly kind: 'embedded'; readonly dir: string }
  | { readonly kind: 'remote'; readonly server: URL; readonly path: string }
);

/** `ENV` wins over `NODE_ENV`, whose other values (test, staging) are nothing to this server. */
export function stageOf(env: Readonly<NodeJS.ProcessEnv>): Stage {
  const said = env.ENV?.trim() || (env.NODE_ENV?.trim() ?? '');
  return said === 'production' ? 'production' : 'dev';
}

/** Reads the environment once. Throws a {@link ConfigError} that lists every mistake; what it returns never changes. */
export function parseConfig(env: Readonly<NodeJS.ProcessEnv>): Config {
  const problems: string[] = [];
  const config = compose(readerOf(env, problems), stageOf(env), problems);
  problems.push(...refuseNotBuilt(env));
  if (problems.length > 0) throw new ConfigError(problems);
  return deepFreeze(config);
}

type Take = <T>(row: Variable<T>) => T;

/** The value of a row; a mistake is noted, and the row's placeholder stands in until all are thrown. */
function readerOf(env: Readonly<NodeJS.ProcessEnv>, problems: string[]): Take {
  const stage = stageOf(env);
  return (row) => {
    let shown = row.name;
    try {
      const given = readText(row, env);
      const text = given ?? fallbackFor(row, stage);
      if (text === undefined) return row.placeholder;
      if (!row.secret) {
        const safe = text.replace(/\/\/[^/@]*@/, '//…@'); // a password where none belongs is not repeated
        shown = given === undefined ? `${row.name} is not set, ENV=${stage} means ${safe}` : `${row.name}=${safe}`;
      }
      return row.parse(text);
    } catch (error) {
      const hint = shown.includes(' is not set') ? ' (ENV=dev overrides NODE_ENV=production)' : '';
      problems.push(`${shown}: ${error instanceof Error ? error.message : String(error)}${hint}`);
      return row.placeholder;
    }
  };
}

function compose(take: Take, stage: Stage, problems: string[]): Config {
  take(VARIABLES.env);
  const stockUrl = take(VARIABLES.stockUrl);
  const dir = take(VARIABLES.dataDir);
  const config: Config = {
    env: stage,
    http: {
      port: take(VARIABLES.port),
      interface: take(VARIABLES.interface),
      trustProxy: take(VARIABLES.trustProxy),
      corsOrigin: take(VARIABLES.corsOrigin),
    },
    processes: {
      instances: take(VARIABLES.instances),
      shutdownGraceMs: take(VARIABLES.shutdownGraceMs),
      drainMs: take(VARIABLES.drainMs),
    },
    socket: {
      pingIntervalMs: take(VARIABLES.pingIntervalMs),
      pingTimeoutMs: take(VARIABLES.pingTimeoutMs),
      maxUnreadBytes: take(VARIABLES.maxUnreadBytes),
      maxUnreadMs: take(VARIABLES.maxUnreadMs),
      allowQueryToken: take(VARIABLES.authQueryToken),
      allowEio3: take(VARIABLES.socketEio3),
    },
    log: { level: take(VARIABLES.log), format: take(VARIABLES.logFormat) },
    store: { kind: take(VARIABLES.store), dir },
    fanout: { kind: take(VARIABLES.fanout) },
    broker: { kind: take(VARIABLES.broker) },
    accounts: composeAccounts(take, stage, dir, problems),
    limits: composeLimits(take),
    bots: {
      commandEcho: take(VARIABLES.commandEcho),
      replyTimeoutMs: take(VARIABLES.botReplyTimeoutMs),
      ...(stockUrl === undefined ? {} : { stockUrl }),
    },
  };
  problems.push(...contradictions(config));
  return config;
}

function composeAccounts(take: Take, stage: Stage, dir: string, problems: string[]): AccountsConfig {
  const said = problems.length;
  const server = take(VARIABLES.authServer);
  const mode = take(VARIABLES.authMode) ?? (server === undefined ? undefined : 'remote');
  const path = take(VARIABLES.authPath);
  const times = {
    cacheMs: take(VARIABLES.authCacheMs),
    timeoutMs: take(VARIABLES.authTimeoutMs),
    revalidateMs: take(VARIABLES.authRevalidateMs),
  };
  if (mode === 'remote' && server !== undefined) return { ...times, kind: 'remote', server, path };
  // A mistake above already says what is wrong with server or mode.
  if (problems.length === said) {
    if (mode === 'remote') problems.push('AUTH_MODE=remote: needs AUTH_SERVER, the address of the account service');
    else if (mode === 'embedded' && stage === 'production') {
      problems.push('AUTH_MODE=embedded: development accounts are refused in production; set AUTH_SERVER (or ENV=dev)');
    } else if (stage === 'production') {
      problems.push(
        'AUTH_SERVER: production needs the address of an account service and has no default for it ' +
          '(ENV=dev overrides NODE_ENV=production)',
      );
    }
  }
  return { ...times, kind: 'embedded', dir };
}

function composeLimits(take: Take): Config['limits'] {
  const messageBytes = take(VARIABLES.maxMessageBytes);
  const imageBytes = take(VARIABLES.maxImageBytes);
  return {
    messageBytes,
    imageBytes,
    historyPage: take(VARIABLES.historyPage),
    historyMax: take(VARIABLES.historyMax),
    typingMs: take(VARIABLES.typingMs),
    maxRooms: take(VARIABLES.maxRooms),
    bodyBytes: bodyBytesFor(messageBytes, imageBytes),
    messages: take(VARIABLES.rateMessages),
    rooms: take(VARIABLES.rateRooms),
    typing: take(VARIABLES.rateTyping),
    guests: take(VARIABLES.rateGuests),
  };
}

/** Room for the largest picture in base64 or text in `\u` escapes, with 16 KiB for the other fields; 1 MiB at least. */
const bodyBytesFor = (messageBytes: number, imageBytes: number): number =>
  Math.max(1_048_576, Math.ceil(imageBytes / 3) * 4 + 16_384, messageBytes * 6 + 16_384);

/** What is wrong only together. */
function contradictions({ processes, limits, socket }: Config): string[] {
  const rules: readonly [boolean, string][] = [
    [
      processes.drainMs >= processes.shutdownGraceMs,
      `DRAIN_MS=${processes.drainMs}: must be less than SHUTDOWN_GRACE_MS (${processes.shutdownGraceMs})`,
    ],
    [
      limits.historyPage > limits.historyMax,
      `HISTORY_PAGE=${limits.historyPage}: must not exceed HISTORY_MAX (${limits.historyMax})`,
    ],
    [
      socket.maxUnreadBytes < limits.messageBytes,
      `MAX_UNREAD_BYTES=${socket.maxUnreadBytes}: must not be less than MAX_MESSAGE_BYTES (${limits.messageBytes})`,
    ],
  ];
  return rules.filter(([broken]) => broken).map(([, sentence]) => sentence);
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}
