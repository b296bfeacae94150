import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ConfigError } from './config-error.ts';
import { parseConfig, stageOf } from './parse-config.ts';

/** All that production needs said. */
const PRODUCTION = { ENV: 'production', AUTH_SERVER: 'https://accounts.example.org' };

/** What must be escaped in one place of a URL or another, and more. */
const AWKWARD = 'p:a/s@s?w#o%r&d =+[]"<>\\^`{|}ü😀%zz';

function problemsOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    parseConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('parseConfig', () => {
  it('needs nothing at all in dev', () => {
    const config = parseConfig({});
    expect(config).toMatchObject({
      env: 'dev',
      http: { port: 3000, interface: '127.0.0.1', trustProxy: ['loopback'], corsOrigin: '*' },
      processes: { instances: 1, shutdownGraceMs: 10_000, drainMs: 3000 },
      socket: {
        pingIntervalMs: 15_000,
        pingTimeoutMs: 10_000,
        maxUnreadBytes: 1_048_576,
        maxUnreadMs: 10_000,
        maxHandshakes: 50,
        allowQueryToken: false,
        allowEio3: false,
      },
      log: { level: 'debug', format: 'pretty' },
      store: { kind: 'sqlite', dir: resolve('data') },
      fanout: { kind: 'cluster' },
      broker: { kind: 'local' },
      accounts: { kind: 'embedded', dir: resolve('data'), cacheMs: 30_000, timeoutMs: 1000, revalidateMs: 55_000 },
      limits: {
        messageBytes: 16_384,
        imageBytes: 524_288,
        historyPage: 50,
        historyMax: 200,
        typingMs: 6000,
        maxRooms: 500,
        bodyBytes: 1_048_576,
        messages: { count: 20, windowMs: 10_000 },
        rooms: { count: 10, windowMs: 60_000 },
        typing: { count: 1, windowMs: 2000 },
        guests: { count: 60, windowMs: 60_000 },
      },
      bots: { commandEcho: 'none', replyTimeoutMs: 10_000 },
    });
    expect('stockUrl' in config.bots).toBe(false);
  });

  it('takes an empty or blank text as not set and trims the others', () => {
    const config = parseConfig({ PORT: '', LOG: '  ', INSTANCES: ' 2 ', AUTH_SERVER: '', MONGODB_URI: '' });
    expect([config.http.port, config.log.level, config.processes.instances]).toEqual([3000, 'debug', 2]);
  });

  it('lists every mistake at once', () => {
    const problems = problemsOf({ PORT: 'http', LOG: 'loud', INSTANCES: '0', RATE_ROOMS: '10', DRAIN_MS: '-1' });
    expect(problems).toEqual([
      'PORT=http: must be a whole number from 0 to 65535',
      'INSTANCES=0: must be a whole number from 1 to 128, or max',
      'DRAIN_MS=-1: must be a whole number from 0 to 600000',
      'LOG=loud: must be one of error, warn, info, http, verbose, debug, silly',
      'RATE_ROOMS=10: must be a count and a window of a day at most, such as 20/10s or 10/1m, or off',
    ]);
    expect(new ConfigError(problems).message).toContain('5 mistakes');
  });

  it('lists the mistakes of all engines at once, with no secret in any', () => {
    const problems = problemsOf({
      ENV: 'production',
      MONGODB_URI: 'hunter2',
      REDIS_URL: 'http://hunter2',
      REDIS_PASSWORD: 'hunter2',
      REDIS_PORT: 'x',
      AMQP_URL: 'amqp://:hunter2@',
      AMQP_PREFETCH: 'many',
      AMQP_BOT_QUEUE: 'a',
      AMQP_BOT_QUEUE_BOT: 'b',
      AUTH_JWKS_URL: 'keys',
      KAFKA_BROKERS: 'hunter2',
    });
    expect(problems.map((it) => /^[A-Z_]+/.exec(it)?.[0])).toEqual([
      'MONGODB_URI',
      'REDIS_URL',
      'REDIS_PORT',
      'AMQP_URL',
      'AMQP_PREFETCH',
      'AMQP_BOT_QUEUE',
      'AUTH_JWKS_URL',
      'KAFKA_BROKERS',
    ]);
    expect(new ConfigError(problems).message).not.toContain('hunter2');
  });

  it('cannot be changed afterwards, at any depth', () => {
    const config = parseConfig({ CORS_ORIGIN: 'https://a.example' });
    const parts: unknown[] = [config, config.http, config.http.corsOrigin, config.limits.messages, config.accounts];
    expect(parts.map((it) => Object.isFrozen(it))).toEqual(parts.map(() => true));
  });

  it.each([
    ['dev', {}],
    ['dev', { NODE_ENV: 'test' }],
    ['dev', { NODE_ENV: 'staging' }],
    ['production', { NODE_ENV: 'production' }],
    ['dev', { NODE_ENV: 'production', ENV: 'dev' }],
    ['production', { NODE_ENV: 'test', ENV: 'production' }],
  ])('is %s with %j', (stage, env) => {
    expect(stageOf(env)).toBe(stage);
  });

  it('refuses an ENV that it does not know', () => {
    expect(problemsOf({ ENV: 'prod' })).toEqual(['ENV=prod: must be one of dev, production']);
  });

  it('says for production what must be said', () => {
    for (const env of [{ NODE_ENV: 'production' }, { ENV: 'production' }]) {
      expect(problemsOf(env)).toEqual([
        'AUTH_SERVER: production needs the address of an account service, or AUTH_JWKS_URL; neither has a default ' +
          '(ENV=dev overrides NODE_ENV=production)',
      ]);
    }
    // Whatever else is wrong.
    expect(problemsOf({ ENV: 'production', AUTH_CACHE_MS: 'long', PORT: 'x' })).toHaveLength(3);
  });

  it('means the engines of its own in production', () => {
    const config = parseConfig(PRODUCTION);
    expect(config).toMatchObject({
      env: 'production',
      log: { level: 'info', format: 'json' },
      http: { corsOrigin: [] },
      accounts: { kind: 'remote', path: '/v1/accounts/validate' },
    });
    expect([config.store, config.fanout, config.broker]).toEqual([
      { kind: 'mongodb', uri: 'mongodb://127.0.0.1:27017/chat_srv' },
      { kind: 'redis', url: 'redis://127.0.0.1:6379', key: 'chat.adapter.io' },
      {
        kind: 'rabbitmq',
        url: 'amqp://guest:guest@127.0.0.1:5672/%2F',
        queue: 'bot-jobsity-chat',
        botQueue: 'bot-jobsity-bot',
        mode: 'auto',
        declare: true,
        prefetch: 50,
      },
    ]);
    expect(config.accounts.kind === 'remote' && config.accounts.server.href).toBe('https://accounts.example.org/');
    const jwt = parseConfig({ ENV: 'production', AUTH_JWKS_URL: 'https://login.example.org/keys' });
    expect(jwt.accounts.kind).toBe('jwt');
  });

  it('runs in production with embedded parts where they are asked for by name', () => {
    const { store, fanout, broker } = parseConfig({
      ...PRODUCTION,
      STORE: 'sqlite',
      FANOUT: 'cluster',
      BROKER: 'local',
    });
    expect([store.kind, fanout.kind, broker.kind]).toEqual(['sqlite', 'cluster', 'local']);
  });

  it('refuses development accounts in production', () => {
    const sentence =
      'AUTH_MODE=embedded: development accounts are refused in production; set AUTH_SERVER or AUTH_JWKS_URL (or ENV=dev)';
    for (const env of [
      { ENV: 'production' },
      PRODUCTION,
      { NODE_ENV: 'production', AUTH_JWKS_URL: 'https://login.example.org/keys' },
    ]) {
      expect(problemsOf({ ...env, AUTH_MODE: 'embedded' })).toEqual([sentence]);
    }
  });

  it('asks a remote mode for its server, and lets AUTH_SERVER alone choose it', () => {
    expect(problemsOf({ AUTH_MODE: 'remote' })).toEqual([
      'AUTH_MODE=remote: needs AUTH_SERVER, the address of the account service',
    ]);
    expect(parseConfig({ AUTH_SERVER: 'http://localhost:8080/base' }).accounts.kind).toBe('remote');
    expect(parseConfig({ AUTH_SERVER: 'http://localhost:1', AUTH_MODE: 'embedded' }).accounts.kind).toBe('embedded');
  });

  it.each(['http://127.0.0.1:9000', 'http://[::1]:9000', 'http://localhost', 'https://10.0.0.1'])(
    'accepts AUTH_SERVER=%s',
    (server) => {
      expect(problemsOf({ AUTH_SERVER: server })).toEqual([]);
    },
  );

  it.each([
    'http://accounts.example.org',
    'http://127.0.0.1.example.org',
    'ftp://localhost',
    'accounts',
    'https://u:p@a.example',
    'https://a.example/?x=1',
  ])('refuses AUTH_SERVER=%s', (server) => {
    const problems = problemsOf({ AUTH_SERVER: server });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^AUTH_SERVER=/);
  });

  it.each([
    'https://login.example.org/keys',
    'https://login.example.org/keys?p=policy',
    'http://127.0.0.1:9000/k',
    'http://[::1]/k',
    'http://localhost/k',
  ])('accepts AUTH_JWKS_URL=%s', (url) => {
    const { accounts } = parseConfig({ AUTH_JWKS_URL: url });
    expect(accounts.kind === 'jwt' && accounts.jwksUrl.href).toBe(url);
    expect(accounts).not.toHaveProperty('issuer');
    expect(accounts).not.toHaveProperty('audience');
  });

  it.each([
    ['http://login.example.org/keys', /must be an https: URL; http: is accepted only to loopback/],
    ['http://127.0.0.1.example.org/keys', /must be an https: URL/],
    ['https://user:hunter2@login.example.org/keys', /must carry no user and no password/],
    ['https://login.example.org/keys#first', /must be a URL such as/],
    ['file:///etc/keys.json', /must be a URL such as/],
    ['login.example.org', /must be a URL such as/],
  ])('refuses AUTH_JWKS_URL=%s', (url, sentence) => {
    const problems = problemsOf({ AUTH_JWKS_URL: url });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^AUTH_JWKS_URL=/);
    expect(problems[0]).toMatch(sentence);
    expect(problems[0]).not.toContain('hunter2');
  });

  it('asks the jwt mode for its keys, and passes on whose tokens and for whom', () => {
    expect(problemsOf({ AUTH_MODE: 'jwt' })).toEqual([
      'AUTH_MODE=jwt: needs AUTH_JWKS_URL, the address of the public keys',
    ]);
    expect(problemsOf({ AUTH_MODE: 'jwt', AUTH_SERVER: 'https://a.example' })).toHaveLength(1);
    expect(problemsOf({ AUTH_MODE: 'ldap' })).toEqual(['AUTH_MODE=ldap: must be one of embedded, remote, jwt']);
    const both = { AUTH_SERVER: 'https://a.example', AUTH_JWKS_URL: 'https://b.example/keys' };
    expect(parseConfig(both).accounts.kind).toBe('remote');
    const { accounts } = parseConfig({
      ...both,
      AUTH_MODE: 'jwt',
      AUTH_JWT_ISSUER: 'https://b/',
      AUTH_JWT_AUDIENCE: 'chat',
    });
    expect(accounts).toMatchObject({ kind: 'jwt', issuer: 'https://b/', audience: 'chat', cacheMs: 30_000 });
  });

  it.each([
    ['STORE=postgres: this driver is not built yet; use sqlite or mongodb', { STORE: 'postgres' }],
    ['STORE=mysql: must be sqlite or mongodb', { STORE: 'mysql' }],
    ['FANOUT=postgres: this driver is not built yet; use cluster or redis', { FANOUT: 'postgres' }],
    ['FANOUT=kafka: this driver is not built yet; use cluster or redis', { FANOUT: 'kafka' }],
    ['BROKER=kafka: this driver is not built yet; use local or rabbitmq', { BROKER: 'kafka' }],
    ['BROKER=amqp: must be local or rabbitmq', { BROKER: 'amqp' }],
  ])('%s', (sentence, env) => {
    expect(problemsOf(env)).toEqual([sentence]);
    expect(problemsOf({ ...PRODUCTION, ...env })).toEqual([sentence]);
  });

  it.each([
    'POSTGRES_URL',
    'POSTGRES_URL_FILE',
    'KAFKA_BROKERS',
    'KAFKA_TOPIC',
    'HA_MODE',
    'HA_LEASE_MS',
    'HA_RENEW_MS',
    'HA_INSTANCES',
    'HA_SECRET',
    'HA_SECRET_FILE',
    'HA_WECHATY_PUPPET',
    'HA_WECHATY_PUPPET_TOKEN',
    'HA_WECHATY_PUPPET_PADLOCAL_TOKEN',
    'HA_WECHATY_PUPPET_PADLOCAL_TOKEN_FILE',
  ])('refuses %s by name, without its value', (name) => {
    const problems = problemsOf({ [name]: 'hunter2' });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`^${name}: .*not built yet`));
    expect(problems[0]).not.toContain('hunter2');
    expect(problemsOf({ [name]: ' ' })).toEqual([]);
  });

  describe('the store', () => {
    it('is MongoDB where its URI is given, and SQLite where that is said', () => {
      const uri = 'mongodb://mongo.example.org/chat';
      expect(parseConfig({ MONGODB_URI: uri }).store).toEqual({ kind: 'mongodb', uri });
      expect(parseConfig({ MONGODB_URI: uri, STORE: 'sqlite' }).store).toEqual({
        kind: 'sqlite',
        dir: resolve('data'),
      });
      expect(parseConfig({ STORE: 'mongodb' }).store).toEqual({
        kind: 'mongodb',
        uri: 'mongodb://127.0.0.1:27017/chat_srv',
      });
    });

    it.each([
      'mongodb://127.0.0.1:27017/chat_srv',
      'mongodb://127.0.0.1/chat?directConnection=true',
      'mongodb://a:1,b:2,[::1]:3/chat?replicaSet=rs0&w=majority',
      'mongodb+srv://user:p%40ss%2F@cluster.example.org/chat',
      'mongodb://user@h/chat',
      'mongodb://%2Ftmp%2Fmongodb-27017.sock/chat',
    ])('accepts %s', (uri) => {
      expect(problemsOf({ MONGODB_URI: uri })).toEqual([]);
    });

    it.each([
      'hunter2',
      'http://hunter2/chat',
      'mongodb://hunter2',
      'mongodb://hunter2/',
      'mongodb://hunter2/?w=1',
      'mongodb:///hunter2',
      'mongodb://u:hunter2@/chat',
      'mongodb://h,,i/hunter2',
      'mongodb://h/a/hunter2',
      'mongodb://h/chat$hunter2',
      'mongodb://h/chat?x=1#hunter2',
      'mongodb://u:hunter2@x@h/chat',
      'mongodb://u:hunter2/x@h/chat',
      'mongodb://u:hunter2:x@h/chat',
      'mongodb://u:hunter2%zz@h/chat',
      'mongodb://u:hunter2 x@h/chat',
    ])('refuses %s without repeating it', (uri) => {
      expect(problemsOf({ MONGODB_URI: uri })).toEqual([
        expect.stringMatching(
          /^MONGODB_URI: must be a URI such as mongodb:\/\/user:password@127\.0\.0\.1:27017\/chat_srv/,
        ),
      ]);
      expect(problemsOf({ MONGODB_URI: uri })[0]).not.toContain('hunter2');
    });
  });

  describe('fan-out', () => {
    const urlOf = (env: NodeJS.ProcessEnv): URL | undefined => {
      const { fanout } = parseConfig(env);
      return fanout.kind === 'redis' ? new URL(fanout.url) : undefined;
    };

    it('is Redis where its server or URL is given, and the cluster where that is said', () => {
      expect(urlOf({ REDIS_SERVER: 'redis.example.org' })?.href).toBe('redis://redis.example.org:6379');
      expect(urlOf({ REDIS_URL: 'rediss://u:p@h:7000/2' })?.href).toBe('rediss://u:p@h:7000/2');
      expect(urlOf({ FANOUT: 'redis', REDIS_PORT: '7001' })?.href).toBe('redis://127.0.0.1:7001');
      expect(urlOf({ REDIS_PORT: '7001', REDIS_PASSWORD: 'x' })).toBeUndefined();
      expect(urlOf({ REDIS_SERVER: 'h', FANOUT: 'cluster' })).toBeUndefined();
      expect(urlOf({ ...PRODUCTION, FANOUT: 'cluster' })).toBeUndefined();
    });

    it('takes its key from REDIS_KEY', () => {
      expect(parseConfig({ FANOUT: 'redis', REDIS_KEY: 'team:chat-1' }).fanout).toMatchObject({ key: 'team:chat-1' });
      for (const REDIS_KEY of ['a b', '{a}', 'a*', 'ü', 'x'.repeat(101)]) {
        expect(problemsOf({ REDIS_KEY })).toEqual([
          `REDIS_KEY=${REDIS_KEY}: must be 1-100 letters, digits, or . _ : -`,
        ]);
      }
    });

    it.each([
      ['::1', '[::1]'],
      ['chat_redis-1', 'chat_redis-1'],
      ['bücher.example', 'xn--bcher-kva.example'],
      ['10.0.0.1', '10.0.0.1'],
    ])('composes a URL of the host %s', (server, hostname) => {
      expect(urlOf({ REDIS_SERVER: server, REDIS_PASSWORD: 'x' })?.hostname).toBe(hostname);
    });

    it('composes a URL that gives back any password', () => {
      const url = urlOf({ REDIS_SERVER: '::1', REDIS_PORT: '7000', REDIS_PASSWORD: AWKWARD });
      expect(decodeURIComponent(url?.password ?? '')).toBe(AWKWARD);
      expect([url?.username, url?.host, url?.pathname, url?.search, url?.hash]).toEqual(['', '[::1]:7000', '', '', '']);
    });

    it.each([
      ['REDIS_SERVER', 'h'],
      ['REDIS_PORT', '6379'],
      ['REDIS_PASSWORD', 'hunter2'],
    ])('takes the URL or %s, not both', (name, value) => {
      expect(problemsOf({ REDIS_URL: 'redis://h', [name]: value })).toEqual([
        'REDIS_URL: says all of REDIS_SERVER, REDIS_PORT and REDIS_PASSWORD; keep it or them',
      ]);
    });

    it.each([
      'hunter2',
      'hunter2:6379',
      'http://hunter2',
      'redis://',
      'redis://:hunter2@',
      'redis://:hunter2#x@h',
      'redis://:hunter2/x@h',
      'redis://:hunter2?x@h',
      'redis://:hunter2%zz@h',
      'redis://h/hunter2',
      'redis://h?keyPrefix=hunter2',
    ])('refuses REDIS_URL=%s without repeating it', (url) => {
      expect(problemsOf({ REDIS_URL: url })).toEqual([
        'REDIS_URL: must be a URL such as redis://:password@127.0.0.1:6379/0, without a query, the password escaped',
      ]);
    });

    it.each([
      ['REDIS_SERVER', 'h:6379', /must be an address or a host name, without a port/],
      ['REDIS_SERVER', 'redis://:hunter2@h', /must be an address or a host name/],
      ['REDIS_SERVER', ':hunter2@h', /must be an address or a host name/],
      ['REDIS_SERVER', '999.1.1.1', /is no host that one can connect to/],
      ['REDIS_SERVER', 'fe80::1%eth0', /is no host that one can connect to/],
      ['REDIS_PORT', '0', /must be a whole number from 1 to 65535/],
    ])('refuses %s=%s', (name, value, sentence) => {
      const problems = problemsOf({ [name]: value });
      expect(problems).toEqual([expect.stringMatching(sentence)]);
      expect(problems[0]).toMatch(new RegExp(`^${name}=`));
      expect(problems[0]).not.toContain('hunter2');
    });
  });

  describe('the broker', () => {
    const urlOf = (env: NodeJS.ProcessEnv): URL | undefined => {
      const { broker } = parseConfig(env);
      return broker.kind === 'rabbitmq' ? new URL(broker.url) : undefined;
    };

    it('is RabbitMQ where its server or URL is given, and in the process where that is said', () => {
      expect(urlOf({ AMQP_SERVER: 'mq' })?.href).toBe('amqp://guest:guest@mq:5672/%2F');
      expect(urlOf({ AMQP_SERVER: 'mq', AMQP_PROTOCOL: 'amqps' })?.href).toBe('amqps://guest:guest@mq:5671/%2F');
      expect(urlOf({ AMQP_SERVER: 'mq', AMQP_PROTOCOL: 'amqps', AMQP_PORT: '5672' })?.port).toBe('5672');
      expect(urlOf({ AMQP_URL: 'amqp://u:p@mq:5673/v?heartbeat=5' })?.href).toBe('amqp://u:p@mq:5673/v?heartbeat=5');
      expect(urlOf({ AMQP_USERNAME: 'u', AMQP_PASSWORD: 'p' })).toBeUndefined();
      expect(urlOf({ AMQP_SERVER: 'mq', BROKER: 'local' })).toBeUndefined();
      expect(urlOf({ ...PRODUCTION, BROKER: 'local' })).toBeUndefined();
    });

    it('composes a URL that gives back any user, password and virtual host', () => {
      const url = urlOf({
        AMQP_SERVER: '::1',
        AMQP_USERNAME: `u${AWKWARD}`,
        AMQP_PASSWORD: AWKWARD,
        AMQP_VHOST: `v${AWKWARD}`,
      });
      expect(decodeURIComponent(url?.username ?? '')).toBe(`u${AWKWARD}`);
      expect(decodeURIComponent(url?.password ?? '')).toBe(AWKWARD);
      expect(decodeURIComponent(url?.pathname ?? '')).toBe(`/v${AWKWARD}`);
      expect([url?.host, url?.search, url?.hash]).toEqual(['[::1]:5672', '', '']);
    });

    it.each([
      ['AMQP_PROTOCOL', 'amqp'],
      ['AMQP_SERVER', 'mq'],
      ['AMQP_PORT', '5672'],
      ['AMQP_USERNAME', 'u'],
      ['AMQP_PASSWORD', 'hunter2'],
      ['AMQP_VHOST', '/'],
    ])('takes the URL or %s, not both', (name, value) => {
      expect(problemsOf({ AMQP_URL: 'amqp://mq', [name]: value })).toEqual([
        'AMQP_URL: says all of AMQP_PROTOCOL to AMQP_VHOST; keep it or them',
      ]);
    });

    it('knows the queue to the bots by two names, which must agree', () => {
      const botQueueOf = (env: NodeJS.ProcessEnv) => {
        const { broker } = parseConfig({ BROKER: 'rabbitmq', ...env });
        return broker.kind === 'rabbitmq' ? broker.botQueue : undefined;
      };
      expect(botQueueOf({})).toBe('bot-jobsity-bot');
      expect(botQueueOf({ AMQP_BOT_QUEUE: 'a' })).toBe('a');
      expect(botQueueOf({ AMQP_BOT_QUEUE_BOT: 'a' })).toBe('a');
      expect(botQueueOf({ AMQP_BOT_QUEUE: 'a', AMQP_BOT_QUEUE_BOT: 'a' })).toBe('a');
      expect(problemsOf({ AMQP_BOT_QUEUE: 'a', AMQP_BOT_QUEUE_BOT: 'b' })).toEqual([
        'AMQP_BOT_QUEUE and AMQP_BOT_QUEUE_BOT: two names of one setting, and they differ; keep one',
      ]);
    });

    it.each([
      { AMQP_QUEUE: 'bot-jobsity-bot' },
      { AMQP_QUEUE: 'a', AMQP_BOT_QUEUE: 'a' },
      { AMQP_QUEUE: 'a', AMQP_BOT_QUEUE_BOT: 'a.dead' },
      { AMQP_QUEUE: 'a.dead', AMQP_BOT_QUEUE_BOT: 'a' },
    ])('needs two queues: %j', (env) => {
      expect(problemsOf(env)).toEqual([
        expect.stringMatching(/^AMQP_QUEUE=\S+: must not be the queue of AMQP_BOT_QUEUE_BOT/),
      ]);
    });

    it.each([
      'hunter2',
      'mq:5672',
      'http://mq',
      'amqp://',
      'amqp://u:hunter2#x@mq',
      'amqp://u:hunter2/x@mq',
      'amqp://u:hunter2%zz@mq',
      'amqp://mq/hunter2%zz',
    ])('refuses AMQP_URL=%s without repeating it', (url) => {
      expect(problemsOf({ AMQP_URL: url })).toEqual([
        'AMQP_URL: must be a URL such as amqp://user:password@127.0.0.1:5672/vhost, user, password and vhost escaped',
      ]);
    });

    it.each([
      ['AMQP_PROTOCOL', 'http', 'must be one of amqp, amqps'],
      ['AMQP_SERVER', 'mq:5672', 'must be an address or a host name, without a port'],
      ['AMQP_SERVER', '1.2.3.4.5.6', 'is no host that one can connect to'],
      ['AMQP_PORT', '70000', 'must be a whole number from 1 to 65535'],
      ['AMQP_QUEUE', 'a b', 'must be 1-100 letters, digits, or . _ : -'],
      ['AMQP_QUEUE', 'amq.x', 'must not begin with amq.'],
      ['AMQP_BOT_QUEUE', '/', 'must be 1-100 letters, digits, or . _ : -'],
      ['AMQP_QUEUE_MODE', 'quorum', 'must be one of auto, transient, durable'],
      ['AMQP_DECLARE', 'no', 'must be true or false'],
      ['AMQP_PREFETCH', '0', 'must be a whole number from 1 to 10000'],
      ['BOT_COMMANDS', '/stock', 'must be words divided by commas, without /, such as stock,hello'],
      ['BOT_COMMANDS', ',', 'must be words divided by commas, without /, such as stock,hello'],
      ['BOT_TOKEN_MODE', 'mine', 'must be one of ticket, forward'],
    ])('refuses %s=%s', (name, value, sentence) => {
      expect(problemsOf({ [name]: value })).toEqual([`${name}=${value}: ${sentence}`]);
    });

    it('reads the words of the bots as the chat reads them', () => {
      expect(parseConfig({}).bots).toMatchObject({ tokenMode: 'ticket', commands: ['stock', 'hello'] });
      expect(parseConfig({ BOT_COMMANDS: ' Stock, wetter-heute ,ÄRGER,' }).bots.commands).toEqual([
        'stock',
        'wetter-heute',
        'ärger',
      ]);
    });
  });

  it('reads RETENTION_DAYS, and lets variables of others be', () => {
    expect(problemsOf({ BOT_TOKEN_MODE: 'ticket', HOME: '/', AUTH_SERVR: 'x' })).toEqual([]);
    expect(parseConfig({}).retentionDays).toBe(0);
    expect(parseConfig({ RETENTION_DAYS: '30' }).retentionDays).toBe(30);
    expect(problemsOf({ RETENTION_DAYS: '-1' })).toHaveLength(1);
  });

  it.each([
    ['loopback', ['loopback']],
    ['2', 2],
    ['0', 0],
    ['none', []],
    ['10.0.0.0/8, fd00::/8,127.0.0.1', ['10.0.0.0/8', 'fd00::/8', '127.0.0.1']],
  ])('reads TRUST_PROXY=%s', (text, value) => {
    expect(parseConfig({ TRUST_PROXY: text }).http.trustProxy).toEqual(value);
  });

  it.each(['true', 'false', 'everyone', '10.0.0.0/33', '10.0.0.0/8/8', ','])('refuses TRUST_PROXY=%s', (text) => {
    expect(problemsOf({ TRUST_PROXY: text })).toHaveLength(1);
  });

  it('reads lists of origins and refuses what is more or less than one', () => {
    expect(parseConfig({ CORS_ORIGIN: 'https://a.example, http://b.example:81' }).http.corsOrigin).toEqual([
      'https://a.example',
      'http://b.example:81',
    ]);
    for (const text of [
      'https://a.example/',
      'a.example',
      'https://*.a.example/x',
      'https://a.example https://b',
      'null',
    ]) {
      expect(problemsOf({ CORS_ORIGIN: text })).toHaveLength(1);
    }
  });

  it('reads rates, ports and instances at their ends', () => {
    expect(parseConfig({ RATE_MESSAGES: 'off' }).limits.messages).toBeNull();
    expect(parseConfig({ RATE_MESSAGES: '5/2h' }).limits.messages).toEqual({ count: 5, windowMs: 7_200_000 });
    expect(parseConfig({ PORT: '0', INSTANCES: '128' }).http.port).toBe(0);
    expect(parseConfig({ INSTANCES: 'max' }).processes.instances).toBeGreaterThanOrEqual(1);
    for (const env of [
      { RATE_MESSAGES: '0/10s' },
      { RATE_MESSAGES: '1/25h' },
      { PORT: '65536' },
      { INSTANCES: '129' },
      { PORT: '3e3' },
    ]) {
      expect(problemsOf(env)).toHaveLength(1);
    }
  });

  it('finds what is wrong only together', () => {
    expect(problemsOf({ DRAIN_MS: '5000', SHUTDOWN_GRACE_MS: '5000' })).toEqual([
      'DRAIN_MS=5000: must be less than SHUTDOWN_GRACE_MS (5000)',
    ]);
    expect(problemsOf({ HISTORY_PAGE: '300' })).toEqual(['HISTORY_PAGE=300: must not exceed HISTORY_MAX (200)']);
    expect(problemsOf({ MAX_MESSAGE_BYTES: '100000', MAX_UNREAD_BYTES: '70000' })).toHaveLength(1);
  });

  it('makes room in a body for a larger picture', () => {
    const { bodyBytes } = parseConfig({ MAX_IMAGE_BYTES: '3000000' }).limits;
    expect(bodyBytes).toBeGreaterThan(4_000_000);
  });

  describe('secrets', () => {
    let dir = '';
    beforeAll(() => {
      dir = mkdtempSync(join(tmpdir(), 'parley-config-'));
    });
    afterAll(() => rmSync(dir, { recursive: true, force: true }));

    const address = 'https://stocks.example.org/q?s={code}&key=hunter2';

    it('come from the variable or, trimmed, from a file', () => {
      const file = join(dir, 'stock-url');
      writeFileSync(file, `${address}\n`);
      expect(parseConfig({ STOCK_URL: address }).bots.stockUrl).toBe(address);
      expect(parseConfig({ STOCK_URL_FILE: file }).bots.stockUrl).toBe(address);
      expect(problemsOf({ STOCK_URL: address, STOCK_URL_FILE: file })).toEqual([
        'STOCK_URL: is given, and STOCK_URL_FILE too; keep one',
      ]);
    });

    it('are never quoted in a mistake', () => {
      const file = join(dir, 'broken');
      writeFileSync(file, 'ftp://hunter2');
      for (const env of [
        { STOCK_URL: 'ftp://hunter2' },
        { STOCK_URL_FILE: file },
        { STOCK_URL: 'https://x/hunter2' },
      ]) {
        expect(problemsOf(env)).toEqual([
          'STOCK_URL: must be an http(s): URL with {code} in it, or the file: URL of a sample CSV',
        ]);
      }
    });

    it.each([
      ['MONGODB_URI', 'mongodb://u:hunter2@h/chat', 'mongodb://u:hunter2@h'],
      ['REDIS_URL', 'redis://:hunter2@h', 'redis://:hunter2/@h'],
      ['AMQP_URL', 'amqp://u:hunter2@h', 'amqp://u:hunter2/@h'],
    ])('%s comes from a file, too, and a wrong one is not quoted', (name, good, bad) => {
      const file = join(dir, name);
      writeFileSync(file, `${good}\r\n`);
      expect(parseConfig({ [`${name}_FILE`]: file })).toEqual(parseConfig({ [name]: good }));
      expect(problemsOf({ [name]: good, [`${name}_FILE`]: file })).toEqual([
        `${name}: is given, and ${name}_FILE too; keep one`,
      ]);
      writeFileSync(file, bad);
      for (const env of [{ [name]: bad }, { [`${name}_FILE`]: file }]) {
        const problems = problemsOf(env);
        expect(problems).toEqual([expect.stringMatching(new RegExp(`^${name}: must be a UR`))]);
        expect(problems[0]).not.toContain('hunter2');
      }
    });

    it.each([
      ['REDIS_PASSWORD', { REDIS_SERVER: 'h' }],
      ['AMQP_PASSWORD', { AMQP_SERVER: 'h' }],
    ])('%s comes from a file, too', (name, env) => {
      const file = join(dir, name);
      writeFileSync(file, `${AWKWARD}\n`);
      const config = parseConfig({ ...env, [`${name}_FILE`]: file });
      expect(config).toEqual(parseConfig({ ...env, [name]: AWKWARD }));
      expect(JSON.stringify([config.fanout, config.broker])).toContain(encodeURIComponent(AWKWARD));
    });

    it('say when their file is missing or empty', () => {
      const empty = join(dir, 'empty');
      writeFileSync(empty, '\n');
      expect(problemsOf({ STOCK_URL_FILE: join(dir, 'none') })).toEqual([
        'STOCK_URL: the file of STOCK_URL_FILE cannot be read (ENOENT)',
      ]);
      expect(problemsOf({ STOCK_URL_FILE: empty })).toEqual(['STOCK_URL: the file of STOCK_URL_FILE is empty']);
    });
  });
});
