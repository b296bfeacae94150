import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, it } from '@jest/globals';
import { apps } from '../../ecosystem.config.js';
import { parseBotsConfig, parseConfig } from '../../src/config/parse-config.ts';
import { CONFIG_NAMES } from '../../src/config/print-config.ts';
import { ROOT } from '../support/root.ts';
import { TestBed } from '../support/test-bed.ts';

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
/** Of the host, and what belongs to the images of others. */
const FOREIGN = /^(HTTP_PORT|MONGO_INITDB_\w+)$/;
const ACCOUNTS = 'https://accounts.example.org';

const pkg: { engines: { node: string }; scripts: Record<string, string> } = JSON.parse(read('package.json'));
const compose = read('compose.yaml');
const dockerfile = read('Dockerfile').replace(/\\\n\s*/g, '');
const { processes, socket, limits } = parseConfig({});

/** Names and values of the `ENV` steps. */
const imageEnv: Readonly<Record<string, string>> = Object.fromEntries(
  [...dockerfile.matchAll(/^ENV (.*)$/gm)].flatMap(([, words = '']) =>
    words.split(/\s+/).map((it): [string, string] => {
      const [name = '', value = ''] = it.split('=');
      return [name, value];
    }),
  ),
);

/** Variables in capitals that compose.yaml gives to containers, as they are written there. */
const composeEnv = [...compose.matchAll(/^ {4,6}([A-Z][A-Z\d_]+): (.+)$/gm)].map(([, name = '', value = '']) => ({
  name,
  value,
}));

/** What Compose makes of a value where of all variables only `given` are set. */
function interpolate(value: string, given: Readonly<Record<string, string>>): string {
  const [, name, fallback = ''] = /^\$\{(\w+):-(.*)\}$/.exec(value) ?? [];
  return name === undefined ? value.replace(/^'(.*)'$/, '$1') : (given[name] ?? fallback);
}

describe('the table of variables', () => {
  it.each([
    ['Dockerfile', Object.keys(imageEnv)],
    ['compose.yaml', composeEnv.map((it) => it.name)],
    ['compose.yaml, from .env', [...compose.matchAll(/(?<!\$)\$\{(\w+)/g)].map(([, name = '']) => name)],
    ['ecosystem.config.js', apps.flatMap((it) => Object.keys(it.env_production))],
  ])('has every name that %s uses', (_, names) => {
    assert.ok(names.length > 0);
    const unknown = names.filter((it) => !CONFIG_NAMES.includes(it) && !FOREIGN.test(it));
    assert.deepEqual([...unknown], []);
  });
});

describe('compose.yaml', () => {
  const bed = new TestBed();
  afterAll(() => bed.close());

  it('with the secrets that compose-secrets.js makes is a configuration for production', async () => {
    const secrets = join(await bed.folder(), 'secrets');
    const make = (): number | null =>
      spawnSync(process.execPath, [join(ROOT, 'scripts/compose-secrets.js'), secrets]).status;
    assert.equal(make(), 0);
    assert.equal(make(), 1); // those of running engines are left alone
    assert.equal(statSync(secrets).mode & 0o777, 0o700);
    const env = Object.fromEntries(
      composeEnv
        .filter(({ name }) => !FOREIGN.test(name))
        .map(({ name, value }) => [
          name,
          interpolate(value, { AUTH_SERVER: ACCOUNTS }).replace('/run/secrets', secrets),
        ]),
    );
    const config = parseConfig({ ...imageEnv, ...env });
    assert.deepEqual(
      [config.env, config.store.kind, config.fanout.kind, config.broker.kind, config.accounts.kind],
      ['production', 'mongodb', 'redis', 'rabbitmq', 'remote'],
    );
    assert.deepEqual([config.http.interface, config.http.trustProxy], ['0.0.0.0', 1]);
    const { AMQP_URL_FILE = '' } = env;
    assert.deepEqual(parseBotsConfig({ ...imageEnv, AMQP_URL_FILE }).broker, config.broker);
    const passwordOf = (url: string): string => /:([0-9a-f]{48})@/.exec(url)?.[1] ?? 'none';
    const secret = (name: string): string => readFileSync(join(secrets, name), 'utf8').trim();
    assert.equal(passwordOf(secret('mongodb_uri')), secret('mongodb_password'));
    assert.equal(`requirepass ${passwordOf(secret('redis_url'))}`, secret('redis_conf'));
    assert.ok(secret('rabbitmq_conf').endsWith(`default_pass = ${passwordOf(secret('amqp_url'))}`));
    for (const [, name = ''] of compose.matchAll(/file: secrets\/(\w+)/g))
      assert.ok(existsSync(join(secrets, name)), name);
  });

  it('refuses to start without accounts, and carries no password', () => {
    assert.match(compose, /\$\{AUTH_SERVER:-\$\{AUTH_JWKS_URL:\?[^}]+\}\}/);
    assert.doesNotMatch(compose, /:[^@\s/]+@|PASS(WORD)?: (?!\/run\/secrets)/);
    for (const line of ['.env', 'secrets/']) assert.ok(read('.gitignore').split('\n').includes(line), line);
  });

  it('gives servers the time that they may take to end', () => {
    const seconds = Number(/stop_grace_period: (\d+)s/.exec(compose)?.[1]);
    assert.ok(seconds * 1000 > processes.shutdownGraceMs + 3000);
    for (const app of apps) assert.ok(app.kill_timeout > processes.shutdownGraceMs + 3000, app.name);
  });
});

describe('Dockerfile', () => {
  it('builds and starts what package.json builds and starts, on a Node that it allows', () => {
    for (const [, major = ''] of dockerfile.matchAll(/^FROM node:(\S+)-slim/gm)) {
      assert.ok(Number(major) > Number(/^>=(\d+)/.exec(pkg.engines.node)?.[1]), major);
    }
    for (const [, script = ''] of dockerfile.matchAll(/^RUN npm run (\S+)$/gm))
      assert.ok(script in pkg.scripts, script);
    const [, program, file] = /^CMD \["(\w+)", "(\S+)"\]$/m.exec(dockerfile) ?? [];
    assert.ok(pkg.scripts.start?.endsWith(` exec ${program} ${file}`));
    assert.match(
      pkg.scripts.bots ?? '',
      new RegExp(` ${/command: \[(.*)\]/.exec(compose)?.[1]?.replaceAll(',', '')}$`),
    );
  });
});

describe('ecosystem.config.js', () => {
  it('starts the same programs as package.json', () => {
    const commands = apps.map((it) => ['exec node', it.script, ...('args' in it ? [it.args] : [])].join(' '));
    assert.deepEqual(
      commands.map((it) => Object.values(pkg.scripts).some((script) => script.endsWith(it))),
      [true, true],
    );
  });
});

describe('nginx/', () => {
  const files = { host: read('nginx/parley.conf'), compose: read('nginx/compose.conf') };
  const port = String(parseConfig({}).http.port);

  it('sends to the port of the table', () => {
    assert.equal(imageEnv.PORT, port);
    assert.match(dockerfile, new RegExp(`^EXPOSE ${port}$`, 'm'));
    assert.deepEqual(
      [...files.host.matchAll(/^ +server \S+:(\d+)/gm)].map(([, it]) => it),
      [port],
    );
    const hosts = [...files.compose.matchAll(/^ +server (\S+):(\d+) resolve/gm)];
    assert.equal(hosts.length, 4);
    for (const [, host, it] of hosts) {
      assert.equal(it, port);
      assert.match(compose, new RegExp(`^ {2}${host}:$`, 'm'));
    }
  });

  it.each(Object.entries(files))('takes bodies and waits as the server does: %s', (_, text) => {
    assert.match(text, /client_max_body_size 1m;/);
    assert.equal(limits.bodyBytes, 1_048_576);
    const waits = [...text.matchAll(/proxy_(?:read|send)_timeout (\d+)s/g)].map(([, it]) => Number(it) * 1000);
    assert.equal(waits.length, 2);
    for (const it of waits) assert.ok(it > socket.pingIntervalMs + socket.pingTimeoutMs);
    assert.doesNotMatch(
      text,
      /\$(request|request_uri|args|query_string|http_referer|proxy_add_x_forwarded_for)\b(?=.*')/,
    );
  });

  it('says the same in both files but for addresses, names and where logs go', () => {
    const linesOf = (text: string): string[] =>
      text
        .slice(text.indexOf('\nserver {'))
        .split('\n')
        .map((it) => it.trim())
        .filter((it) => it !== '' && !it.startsWith('#'));
    const varies = /^(listen|server_name|access_log|error_log|proxy_pass) /;
    const [one, other] = [files.host, files.compose].map((it) => linesOf(it).filter((line) => !varies.test(line)));
    assert.deepEqual(other, one);
  });
});
