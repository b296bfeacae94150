import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ConfigError } from './config-error.ts';
import { parseConfig, stageOf } from './parse-config.ts';

/** What production needs said as long as its own engines are not built. */
const PRODUCTION = {
  ENV: 'production',
  STORE: 'sqlite',
  FANOUT: 'cluster',
  BROKER: 'local',
  AUTH_SERVER: 'https://accounts.example.org',
};

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
    const problems = problemsOf({ NODE_ENV: 'production' });
    const hint = '(ENV=dev overrides NODE_ENV=production)';
    expect(problems).toEqual([
      `STORE is not set, ENV=production means mongodb: this driver is not built yet; use sqlite ${hint}`,
      `FANOUT is not set, ENV=production means redis: this driver is not built yet; use cluster ${hint}`,
      `BROKER is not set, ENV=production means rabbitmq: this driver is not built yet; use local ${hint}`,
      `AUTH_SERVER: production needs the address of an account service and has no default for it ${hint}`,
    ]);
  });

  it('runs in production once that is said', () => {
    const config = parseConfig(PRODUCTION);
    expect(config).toMatchObject({
      env: 'production',
      log: { level: 'info', format: 'json' },
      http: { corsOrigin: [] },
      accounts: { kind: 'remote', path: '/v1/accounts/validate' },
    });
    expect(config.accounts.kind === 'remote' && config.accounts.server.href).toBe('https://accounts.example.org/');
  });

  it('refuses development accounts in production', () => {
    expect(problemsOf({ ...PRODUCTION, AUTH_SERVER: '', AUTH_MODE: 'embedded' })).toEqual([
      'AUTH_MODE=embedded: development accounts are refused in production; set AUTH_SERVER (or ENV=dev)',
    ]);
    expect(problemsOf({ ...PRODUCTION, AUTH_MODE: 'embedded' })).toHaveLength(1);
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
    ['STORE=mongodb: this driver is not built yet; use sqlite', { STORE: 'mongodb' }],
    ['STORE=postgres: this driver is not built yet; use sqlite', { STORE: 'postgres' }],
    ['FANOUT=redis: this driver is not built yet; use cluster', { FANOUT: 'redis' }],
    ['FANOUT=kafka: this driver is not built yet; use cluster', { FANOUT: 'kafka' }],
    ['BROKER=rabbitmq: this driver is not built yet; use local', { BROKER: 'rabbitmq' }],
    ['AUTH_MODE=jwt: this driver is not built yet; use embedded or remote', { AUTH_MODE: 'jwt' }],
  ])('%s', (sentence, env) => {
    expect(problemsOf(env)).toEqual([sentence]);
  });

  it.each([
    'MONGODB_URI',
    'MONGODB_URI_FILE',
    'POSTGRES_URL',
    'REDIS_SERVER',
    'REDIS_URL',
    'AMQP_SERVER',
    'AMQP_URL',
    'KAFKA_BROKERS',
    'AUTH_JWKS_URL',
    'HA_MODE',
    'HA_SECRET',
  ])('refuses %s by name, without its value', (name) => {
    const problems = problemsOf({ [name]: 'hunter2' });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`^${name}: .*not built yet`));
    expect(problems[0]).not.toContain('hunter2');
  });

  it('accepts RETENTION_DAYS=0 only, and variables of others', () => {
    expect(problemsOf({ RETENTION_DAYS: '0', BOT_TOKEN_MODE: 'ticket', HOME: '/', AUTH_SERVR: 'x' })).toEqual([]);
    expect(problemsOf({ RETENTION_DAYS: '30' })).toHaveLength(1);
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
