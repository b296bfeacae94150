import { domainToASCII } from 'node:url';
import type { Rate } from '../chat/ports/limits.ts';
import { ConfigError } from './config-error.ts';
import type { TrustProxy } from './kinds.ts';
import { refuseNotBuilt } from './not-built.ts';
import { readText } from './read-text.ts';
import { fallbackFor, type Stage, shown, type Variable } from './variable.ts';
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
    readonly maxHandshakes: number;
    readonly allowQueryToken: boolean;
    readonly allowEio3: boolean;
  };
  readonly log: {
    readonly level: (typeof VARIABLES.log)['placeholder'];
    readonly format: (typeof VARIABLES.logFormat)['placeholder'];
  };
  readonly store: StoreConfig;
  /** Messages are removed when they are older; 0: never. */
  readonly retentionDays: number;
  readonly fanout: FanoutConfig;
  readonly broker: BrokerConfig;
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
    readonly tokenMode: 'ticket' | 'forward';
    /** Words that bots at the broker answer. */
    readonly commands: readonly string[];
  };
}

export type StoreConfig =
  | { readonly kind: 'sqlite'; readonly dir: string }
  | { readonly kind: 'mongodb'; readonly uri: string };

export type FanoutConfig =
  | { readonly kind: 'cluster' }
  | { readonly kind: 'redis'; readonly url: string; readonly key: string };

export type BrokerConfig =
  | { readonly kind: 'local' }
  | {
      readonly kind: 'rabbitmq';
      readonly url: string;
      /** Bots to chat. */
      readonly queue: string;
      /** Chat to bots. */
      readonly botQueue: string;
      readonly mode: 'auto' | 'transient' | 'durable';
      readonly declare: boolean;
      readonly prefetch: number;
    };

export type AccountsConfig = {
  readonly cacheMs: number;
  readonly timeoutMs: number;
  readonly revalidateMs: number;
} & (
  | { readonly kind: 'embedded'; readonly dir: string }
  | { readonly kind: 'remote'; readonly server: URL; readonly path: string }
  | { readonly kind: 'jwt'; readonly jwksUrl: URL; readonly issuer?: string; readonly audience?: string }
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

/** What the bots need where they are a process of their own: no store, no accounts, nothing of the chat. */
export interface BotsConfig extends Pick<Config, 'log'> {
  readonly broker: Extract<BrokerConfig, { kind: 'rabbitmq' }>;
  readonly stockUrl: string | undefined;
  /** For what is under way when it is told to end. */
  readonly graceMs: number;
}

/** The same table as {@link parseConfig} reads, but only the rows that the bots answer to. */
export function parseBotsConfig(env: Readonly<NodeJS.ProcessEnv>): BotsConfig {
  const problems: string[] = [];
  const take = readerOf(env, problems);
  const stage = stageOf(env);
  take(VARIABLES.env);
  const log = { level: take(VARIABLES.log), format: take(VARIABLES.logFormat) };
  const stockUrl = take(VARIABLES.stockUrl);
  const graceMs = take(VARIABLES.shutdownGraceMs);
  const broker = composeBroker(take, stage, problems);
  if (broker.kind === 'local' && problems.length === 0) {
    problems.push('BROKER=local: the sample bots run inside the server; set AMQP_SERVER or AMQP_URL to run them apart');
  }
  if (problems.length > 0 || broker.kind === 'local') throw new ConfigError(problems);
  return deepFreeze({ log, broker, stockUrl, graceMs });
}

type Take = <T>(row: Variable<T>) => T;

/** The value of a row; a mistake is noted, and the row's placeholder stands in until all are thrown. */
function readerOf(env: Readonly<NodeJS.ProcessEnv>, problems: string[]): Take {
  const stage = stageOf(env);
  return (row) => {
    let subject = row.name;
    try {
      const given = readText(row, env);
      const text = given ?? fallbackFor(row, stage);
      if (text === undefined) return row.placeholder;
      if (!row.secret) {
        const safe = shown(text);
        subject = given === undefined ? `${row.name} is not set, ENV=${stage} means ${safe}` : `${row.name}=${safe}`;
      }
      return row.parse(text);
    } catch (error) {
      const hint = subject.includes(' is not set') ? ' (ENV=dev overrides NODE_ENV=production)' : '';
      problems.push(`${subject}: ${error instanceof Error ? error.message : String(error)}${hint}`);
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
      maxHandshakes: take(VARIABLES.maxHandshakes),
      allowQueryToken: take(VARIABLES.authQueryToken),
      allowEio3: take(VARIABLES.socketEio3),
    },
    log: { level: take(VARIABLES.log), format: take(VARIABLES.logFormat) },
    store: composeStore(take, stage, dir),
    retentionDays: take(VARIABLES.retentionDays),
    fanout: composeFanout(take, stage, problems),
    broker: composeBroker(take, stage, problems),
    accounts: composeAccounts(take, stage, dir, problems),
    limits: composeLimits(take),
    bots: {
      commandEcho: take(VARIABLES.commandEcho),
      replyTimeoutMs: take(VARIABLES.botReplyTimeoutMs),
      ...(stockUrl === undefined ? {} : { stockUrl }),
      tokenMode: take(VARIABLES.botTokenMode),
      commands: take(VARIABLES.botCommands),
    },
  };
  problems.push(...contradictions(config));
  return config;
}

function composeStore(take: Take, stage: Stage, dir: string): StoreConfig {
  const uri = take(VARIABLES.mongodbUri);
  const kind = take(VARIABLES.store) ?? (stage === 'production' || uri !== undefined ? 'mongodb' : 'sqlite');
  if (kind === 'sqlite') return { kind, dir };
  return { kind, uri: uri ?? 'mongodb://127.0.0.1:27017/chat_srv' };
}

function composeFanout(take: Take, stage: Stage, problems: string[]): FanoutConfig {
  const given = take(VARIABLES.redisUrl);
  const server = take(VARIABLES.redisServer);
  const port = take(VARIABLES.redisPort);
  const password = take(VARIABLES.redisPassword);
  const key = take(VARIABLES.redisKey);
  const isMeant = stage === 'production' || given !== undefined || server !== undefined;
  const kind = take(VARIABLES.fanout) ?? (isMeant ? 'redis' : 'cluster');
  if (given !== undefined && [server, port, password].some((it) => it !== undefined)) {
    problems.push('REDIS_URL: says all of REDIS_SERVER, REDIS_PORT and REDIS_PASSWORD; keep it or them');
  }
  if (kind === 'cluster') return { kind };
  const secret = password === undefined ? '' : `:${encodeURIComponent(password)}@`;
  const url = given ?? `redis://${secret}${hostIn(server ?? '127.0.0.1')}:${port ?? 6379}`;
  if (!URL.canParse(url)) problems.push(`REDIS_SERVER=${server}: ${NO_HOST}`);
  return { kind, url, key };
}

function composeBroker(take: Take, stage: Stage, problems: string[]): BrokerConfig {
  const given = take(VARIABLES.amqpUrl);
  const protocol = take(VARIABLES.amqpProtocol);
  const server = take(VARIABLES.amqpServer);
  const port = take(VARIABLES.amqpPort);
  const username = take(VARIABLES.amqpUsername);
  const password = take(VARIABLES.amqpPassword);
  const vhost = take(VARIABLES.amqpVhost);
  const queue = take(VARIABLES.amqpQueue);
  const shortName = take(VARIABLES.amqpBotQueue);
  const longName = take(VARIABLES.amqpBotQueueBot);
  const more = {
    mode: take(VARIABLES.amqpQueueMode),
    declare: take(VARIABLES.amqpDeclare),
    prefetch: take(VARIABLES.amqpPrefetch),
  };
  const isMeant = stage === 'production' || given !== undefined || server !== undefined;
  const kind = take(VARIABLES.broker) ?? (isMeant ? 'rabbitmq' : 'local');
  if (given !== undefined && [protocol, server, port, username, password, vhost].some((it) => it !== undefined)) {
    problems.push('AMQP_URL: says all of AMQP_PROTOCOL to AMQP_VHOST; keep it or them');
  }
  if (shortName !== undefined && longName !== undefined && shortName !== longName) {
    problems.push('AMQP_BOT_QUEUE and AMQP_BOT_QUEUE_BOT: two names of one setting, and they differ; keep one');
  }
  const botQueue = longName ?? shortName ?? 'bot-jobsity-bot';
  if ([botQueue, `${botQueue}.dead`].includes(queue) || botQueue === `${queue}.dead`) {
    problems.push(
      `AMQP_QUEUE=${queue}: must not be the queue of AMQP_BOT_QUEUE_BOT, nor one be the .dead of the other`,
    );
  }
  if (kind === 'local') return { kind };
  const scheme = protocol ?? 'amqp';
  const user = `${encodeURIComponent(username ?? 'guest')}:${encodeURIComponent(password ?? 'guest')}`;
  const place = `${hostIn(server ?? '127.0.0.1')}:${port ?? (scheme === 'amqps' ? 5671 : 5672)}`;
  const url = given ?? `${scheme}://${user}@${place}/${encodeURIComponent(vhost ?? '/')}`;
  if (!URL.canParse(url)) problems.push(`AMQP_SERVER=${server}: ${NO_HOST}`);
  return { kind, url, queue, botQueue, ...more };
}

const NO_HOST = 'is no host that one can connect to';
/** URLs of other schemes than the web's would keep an international name as escapes. */
const hostIn = (host: string): string => (host.includes(':') ? `[${host}]` : domainToASCII(host));

function composeAccounts(take: Take, stage: Stage, dir: string, problems: string[]): AccountsConfig {
  const path = take(VARIABLES.authPath);
  const issuer = take(VARIABLES.authJwtIssuer);
  const audience = take(VARIABLES.authJwtAudience);
  const times = {
    cacheMs: take(VARIABLES.authCacheMs),
    timeoutMs: take(VARIABLES.authTimeoutMs),
    revalidateMs: take(VARIABLES.authRevalidateMs),
  };
  const said = problems.length;
  const server = take(VARIABLES.authServer);
  const jwksUrl = take(VARIABLES.authJwksUrl);
  const implied = server !== undefined ? 'remote' : jwksUrl !== undefined ? 'jwt' : undefined;
  const mode = take(VARIABLES.authMode) ?? implied;
  if (mode === 'remote' && server !== undefined) return { ...times, kind: 'remote', server, path };
  if (mode === 'jwt' && jwksUrl !== undefined) {
    return {
      ...times,
      kind: 'jwt',
      jwksUrl,
      ...(issuer === undefined ? {} : { issuer }),
      ...(audience === undefined ? {} : { audience }),
    };
  }
  // A mistake above already says what is wrong with the addresses or the mode.
  if (problems.length === said) {
    if (mode === 'remote') problems.push('AUTH_MODE=remote: needs AUTH_SERVER, the address of the account service');
    else if (mode === 'jwt') problems.push('AUTH_MODE=jwt: needs AUTH_JWKS_URL, the address of the public keys');
    else if (mode === 'embedded' && stage === 'production') {
      problems.push(
        'AUTH_MODE=embedded: development accounts are refused in production; set AUTH_SERVER or AUTH_JWKS_URL (or ENV=dev)',
      );
    } else if (stage === 'production') {
      problems.push(
        'AUTH_SERVER: production needs the address of an account service, or AUTH_JWKS_URL; neither has a default ' +
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
