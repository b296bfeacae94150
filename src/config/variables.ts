import * as is from './kinds.ts';
import { optional, type Variable, variable } from './variable.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const MINUTE = 60_000;

/** The table of everything that can be set; {@link file://./parse-config.ts} reads it, README and `npm run config` print it. */
export const VARIABLES = {
  log: variable(
    'LOG',
    is.oneOf('error', 'warn', 'info', 'http', 'verbose', 'debug', 'silly'),
    { dev: 'debug', production: 'info' },
    { doc: 'Least important level that is logged' },
  ),
  logFormat: variable(
    'LOG_FORMAT',
    is.oneOf('pretty', 'json'),
    { dev: 'pretty', production: 'json' },
    { doc: 'Lines for people or for machines' },
  ),
  env: variable('ENV', is.oneOf('dev', 'production'), 'dev', {
    doc: 'Chooses the defaults of this table. Where it is not set, `NODE_ENV=production` means production and anything else dev',
  }),

  port: variable('PORT', is.int(0, 65_535), '3000', {
    doc: 'TCP port of REST, Socket.IO and the page; 0 takes a free one',
  }),
  interface: variable('INTERFACE', is.host, '127.0.0.1', { doc: 'Address to listen on' }),
  instances: variable('INSTANCES', is.instances, '1', { doc: 'Worker processes; together they are one chat' }),
  trustProxy: variable('TRUST_PROXY', is.trustProxy, 'loopback', {
    doc: 'Proxies whose `X-Forwarded-For` is believed',
  }),
  corsOrigin: variable(
    'CORS_ORIGIN',
    is.origins,
    { dev: '*', production: 'none' },
    { doc: 'Pages of which other origins may connect' },
  ),

  shutdownGraceMs: variable('SHUTDOWN_GRACE_MS', is.int(100, 10 * MINUTE), '10000', {
    doc: 'From the signal to the end of the process, at most',
  }),
  drainMs: variable('DRAIN_MS', is.int(0, 10 * MINUTE), '3000', {
    doc: 'Window over which clients are told to reconnect elsewhere; shorter than SHUTDOWN_GRACE_MS',
  }),
  pingIntervalMs: variable('PING_INTERVAL_MS', is.int(100, 5 * MINUTE), '15000', { doc: 'Between two pings' }),
  pingTimeoutMs: variable('PING_TIMEOUT_MS', is.int(100, 5 * MINUTE), '10000', {
    doc: 'Silence after a ping that ends a connection',
  }),

  store: variable(
    'STORE',
    is.driver(['sqlite'], ['mongodb', 'postgres']),
    { dev: 'sqlite', production: 'mongodb' },
    { doc: 'Where rooms and messages are kept. `mongodb` is not built yet: production says `STORE=sqlite`' },
  ),
  dataDir: variable('DATA_DIR', is.folder, './data', {
    doc: 'Folder of the embedded store and the key of guest tokens',
  }),
  fanout: variable(
    'FANOUT',
    is.driver(['cluster'], ['redis', 'postgres', 'kafka']),
    { dev: 'cluster', production: 'redis' },
    { doc: 'How workers hear of one another. `redis` is not built yet: production says `FANOUT=cluster`' },
  ),
  broker: variable(
    'BROKER',
    is.driver(['local'], ['rabbitmq', 'kafka']),
    { dev: 'local', production: 'rabbitmq' },
    { doc: 'Queue of bot commands. `rabbitmq` is not built yet: production says `BROKER=local`' },
  ),

  authMode: optional('AUTH_MODE', is.driver(['embedded', 'remote'], ['jwt']), {
    fallbackWords: '`remote` when AUTH_SERVER is set, else `embedded` in dev; production needs AUTH_SERVER',
    doc: 'Who knows the accounts. `embedded` are development accounts, refused in production',
  }),
  authServer: optional('AUTH_SERVER', is.accountServer, { doc: 'The account service; nobody by default' }),
  authPath: variable('AUTH_PATH', is.urlPath, '/v1/accounts/validate', {
    doc: 'Path there that tells whose a bearer token is',
  }),
  authCacheMs: variable('AUTH_CACHE_MS', is.int(0, 10 * MINUTE), '30000', { doc: 'How long an answer is believed' }),
  authTimeoutMs: variable('AUTH_TIMEOUT_MS', is.int(50, 1500), '1000', {
    doc: 'For one question to the account service; a caller waits 2 s in all',
  }),
  authRevalidateMs: variable('AUTH_REVALIDATE_MS', is.int(500, 60 * MINUTE), '55000', {
    doc: 'How often the tokens of connected sockets are asked about again, past the cache',
  }),
  authQueryToken: variable('AUTH_QUERY_TOKEN', is.flag, 'false', {
    doc: 'Accept tokens in the URL of a socket, for old clients; they end up in logs',
  }),
  socketEio3: variable('SOCKET_EIO3', is.flag, 'false', { doc: 'Accept clients of Socket.IO 2' }),

  maxMessageBytes: variable('MAX_MESSAGE_BYTES', is.int(1, MIB), `${16 * KIB}`, { doc: 'Text of a message, in UTF-8' }),
  maxImageBytes: variable('MAX_IMAGE_BYTES', is.int(1, 16 * MIB), `${512 * KIB}`, {
    doc: 'Picture, decoded. A request body may have 1 MiB, or more where this needs it',
  }),
  historyPage: variable('HISTORY_PAGE', is.int(1, 1000), '50', {
    doc: 'Messages of a page when no limit is asked for',
  }),
  historyMax: variable('HISTORY_MAX', is.int(1, 1000), '200', { doc: 'Messages of a page at most' }),
  typingMs: variable('TYPING_MS', is.int(100, MINUTE), '6000', { doc: 'After which typing is off by itself' }),
  maxRooms: variable('MAX_ROOMS', is.int(1, 10_000), '500', { doc: 'Rooms that one user may be a member of' }),
  maxUnreadBytes: variable('MAX_UNREAD_BYTES', is.int(64 * KIB, 64 * MIB), `${MIB}`, {
    doc: 'Output that a socket may leave unread before it is cut',
  }),
  maxUnreadMs: variable('MAX_UNREAD_MS', is.int(100, 10 * MINUTE), '10000', {
    doc: 'How long a socket may read nothing before it is cut',
  }),
  rateMessages: variable('RATE_MESSAGES', is.rate, '20/10s', { doc: 'Messages per user' }),
  rateRooms: variable('RATE_ROOMS', is.rate, '10/1m', { doc: 'New rooms per user' }),
  rateTyping: variable('RATE_TYPING', is.rate, '1/2s', { doc: 'Typing per user and room' }),
  rateGuests: variable('RATE_GUESTS', is.rate, '60/1m', { doc: 'New guest accounts per address' }),

  commandEcho: variable('COMMAND_ECHO', is.oneOf('none', 'sender', 'room'), 'none', {
    doc: 'Who sees the text of a bot command',
  }),
  botReplyTimeoutMs: variable('BOT_REPLY_TIMEOUT_MS', is.int(100, 10 * MINUTE), '10000', {
    doc: 'Silence of a bot after which the sender is told',
  }),
  stockUrl: optional('STOCK_URL', is.stockUrl, {
    secret: true,
    doc: 'Source of the stock bot; such addresses often carry a key',
  }),
} as const;

export const ROWS: readonly Variable<unknown>[] = Object.values(VARIABLES);
