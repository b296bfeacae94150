import { MESSAGE_BYTES_MAX } from '../chat/chat.ts';
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

  store: optional('STORE', is.driver(['sqlite', 'mongodb'], ['postgres']), {
    fallbackWords: '`sqlite` in dev; `mongodb` in production or when MONGODB_URI is set',
    doc: 'Where rooms and messages are kept',
  }),
  dataDir: variable('DATA_DIR', is.folder, './data', {
    doc: 'Folder of the embedded store and the key of guest tokens',
  }),
  mongodbUri: optional('MONGODB_URI', is.mongodbUri, {
    secret: true,
    fallbackWords: '`mongodb://127.0.0.1:27017/chat_srv`',
    doc: 'Database of the `mongodb` store',
  }),
  retentionDays: variable('RETENTION_DAYS', is.int(0, 36_500), '0', {
    doc: 'Messages that are older are removed, bit by bit; 0 keeps all',
  }),
  fanout: optional('FANOUT', is.driver(['cluster', 'redis'], ['postgres', 'kafka']), {
    fallbackWords: '`cluster` in dev; `redis` in production or when REDIS_SERVER or REDIS_URL is set',
    doc: 'How workers hear of one another and share presence and limits. `cluster` is one machine only',
  }),
  redisServer: optional('REDIS_SERVER', is.host, { fallbackWords: '`127.0.0.1`', doc: 'Redis host' }),
  redisPort: optional('REDIS_PORT', is.int(1, 65_535), { fallbackWords: '`6379`', doc: 'Redis port' }),
  redisPassword: optional('REDIS_PASSWORD', is.text, { secret: true, doc: 'Redis password' }),
  redisUrl: optional('REDIS_URL', is.redisUrl, { secret: true, doc: 'Instead of server, port and password' }),
  redisKey: variable('REDIS_KEY', is.token, 'chat.adapter.io', {
    doc: 'First part of every key and channel there; the same for all servers of one chat',
  }),
  broker: optional('BROKER', is.driver(['local', 'rabbitmq'], ['kafka']), {
    fallbackWords: '`local` in dev; `rabbitmq` in production or when AMQP_SERVER or AMQP_URL is set',
    doc: 'Queue of bot commands. `local` runs the sample bots inside the server',
  }),
  amqpProtocol: optional('AMQP_PROTOCOL', is.oneOf('amqp', 'amqps'), {
    fallbackWords: '`amqp`',
    doc: 'With or without TLS',
  }),
  amqpServer: optional('AMQP_SERVER', is.host, { fallbackWords: '`127.0.0.1`', doc: 'RabbitMQ host' }),
  amqpPort: optional('AMQP_PORT', is.int(1, 65_535), {
    fallbackWords: '`5672`, `5671` with TLS',
    doc: 'RabbitMQ port',
  }),
  amqpUsername: optional('AMQP_USERNAME', is.text, { fallbackWords: '`guest`', doc: 'RabbitMQ user' }),
  amqpPassword: optional('AMQP_PASSWORD', is.text, {
    secret: true,
    fallbackWords: '`guest`',
    doc: 'RabbitMQ password',
  }),
  amqpVhost: optional('AMQP_VHOST', is.text, { fallbackWords: '`/`', doc: 'RabbitMQ virtual host' }),
  amqpUrl: optional('AMQP_URL', is.amqpUrl, { secret: true, doc: 'Instead of the six above' }),
  amqpQueue: variable('AMQP_QUEUE', is.queue, 'bot-jobsity-chat', { doc: 'Queue from the bots to the chat' }),
  amqpBotQueue: optional('AMQP_BOT_QUEUE', is.queue, { doc: 'Another name of AMQP_BOT_QUEUE_BOT' }),
  amqpBotQueueBot: optional('AMQP_BOT_QUEUE_BOT', is.queue, {
    fallbackWords: '`bot-jobsity-bot`',
    doc: 'Queue from the chat to the bots',
  }),
  amqpQueueMode: variable('AMQP_QUEUE_MODE', is.oneOf('auto', 'transient', 'durable'), 'auto', {
    doc: '`auto` takes queues as they are and makes missing ones durable',
  }),
  amqpDeclare: variable('AMQP_DECLARE', is.flag, 'true', { doc: '`false`: both queues must exist' }),
  amqpPrefetch: variable('AMQP_PREFETCH', is.int(1, 10_000), '50', { doc: 'Deliveries under way at a time' }),

  authMode: optional('AUTH_MODE', is.oneOf('embedded', 'remote', 'jwt'), {
    fallbackWords:
      '`remote` when AUTH_SERVER is set, `jwt` when AUTH_JWKS_URL is, else `embedded` in dev; production needs one of the two',
    doc: 'Who knows the accounts. `embedded` are development accounts, refused in production',
  }),
  authServer: optional('AUTH_SERVER', is.accountServer, { doc: 'The account service; nobody by default' }),
  authPath: variable('AUTH_PATH', is.urlPath, '/v1/accounts/validate', {
    doc: 'Path there that tells whose a bearer token is',
  }),
  authJwksUrl: optional('AUTH_JWKS_URL', is.keySetUrl, { doc: 'Public keys of the tokens, for `jwt`' }),
  authJwtIssuer: optional('AUTH_JWT_ISSUER', is.text, {
    doc: 'The `iss` that tokens must carry; any where it is not set',
  }),
  authJwtAudience: optional('AUTH_JWT_AUDIENCE', is.text, {
    doc: 'The `aud` that tokens must carry. Set it where the keys sign tokens of other services, too',
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

  maxMessageBytes: variable('MAX_MESSAGE_BYTES', is.int(1, MESSAGE_BYTES_MAX), `${16 * KIB}`, {
    doc: 'Text of a message, in UTF-8',
  }),
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
  maxHandshakes: variable('MAX_HANDSHAKES', is.int(1, 10_000), '50', {
    doc: 'Sockets that a worker lets in at a time. Twenty times as many wait for their turn, further ones are told to come back',
  }),
  rateMessages: variable('RATE_MESSAGES', is.rate, '20/10s', { doc: 'Messages per user' }),
  rateRooms: variable('RATE_ROOMS', is.rate, '10/1m', { doc: 'New rooms per user' }),
  rateTyping: variable('RATE_TYPING', is.rate, '1/2s', { doc: 'Typing per user and room' }),
  rateGuests: variable('RATE_GUESTS', is.rate, '60/1m', { doc: 'New guest accounts per address' }),

  commandEcho: variable('COMMAND_ECHO', is.oneOf('none', 'sender', 'room'), 'none', {
    doc: 'Who sees the text of a bot command',
  }),
  botTokenMode: variable('BOT_TOKEN_MODE', is.oneOf('ticket', 'forward'), 'ticket', {
    doc: 'What bots get as `token`: a ticket for the one command, or (`forward`) the user’s own',
  }),
  botCommands: variable('BOT_COMMANDS', is.commandWords, 'stock,hello', {
    doc: 'Words that bots at the broker answer; any other is unknown at once',
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
