import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { freePorts } from '../../scripts/engines/free-ports.js';
import { checkLogs } from '../support/check-logs.ts';
import { eventually } from '../support/eventually.ts';
import { createGuest, createRoom, rest } from '../support/rest.ts';
import { ROOT } from '../support/root.ts';
import { TestBed } from '../support/test-bed.ts';

/** What scripts/run-dockerfile.js says of the last stage. */
interface Image {
  readonly root: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly user: string;
  readonly cmd: readonly string[];
  readonly healthcheck: readonly string[];
  readonly stopSignal: NodeJS.Signals;
}

const SCRIPT = join(ROOT, 'scripts/run-dockerfile.js');
/** Root gives up its rights as the image says; the user `node` of the official images has this number. */
const AS_NODE = process.getuid?.() === 0 ? { uid: 1000, gid: 1000 } : {};

/** Runs all steps; resolves with what was printed. */
function play(context: string, out: string): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [SCRIPT, context, out], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
  }
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })));
}

describe('the image that the Dockerfile makes', () => {
  const bed = new TestBed();
  let image: Image;
  let port: number;

  beforeAll(async () => {
    const dir = await bed.folder();
    chmodSync(dir, 0o755); // the image's user has to get there
    const { code, output } = await play(ROOT, dir);
    assert.equal(code, 0, output.slice(-4000));
    image = JSON.parse(output.trimEnd().split('\n').at(-1) ?? '');
    port = await freePorts(1);
  }, 600_000);
  afterAll(() => bed.close(), 60_000);

  function run(
    command: readonly string[],
    env: Readonly<Record<string, string>>,
  ): { child: ChildProcess; output: () => string } {
    const [program = '', ...args] = command;
    const child = spawn(program, args, { cwd: image.cwd, env: { ...image.env, ...env }, ...AS_NODE, detached: true });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        output += chunk;
      });
    }
    bed.own(child, (it) => it.exitCode === null && it.signalCode === null && it.kill('SIGKILL'));
    return { child, output: () => output };
  }
  const codeOf = (child: ChildProcess): Promise<number | null> =>
    new Promise((resolve) => child.once('close', resolve));
  const isHealthy = async (): Promise<boolean> =>
    (await codeOf(run(image.healthcheck, { PORT: String(port) }).child)) === 0;

  it('holds what is run and nothing else', () => {
    assert.deepEqual([...readdirSync(image.root)].sort(), ['data', 'parley']);
    assert.deepEqual([...readdirSync(image.cwd)].sort(), ['dist', 'node_modules', 'package.json']);
    assert.ok(existsSync(join(image.cwd, 'dist/web/index.html')));
    const files = [...readdirSync(join(image.cwd, 'dist'), { recursive: true })].map(String);
    assert.deepEqual(
      files.filter((it) => it.includes('.test.')),
      [],
    );
    for (const tool of ['typescript', 'rolldown', 'vite', 'jest', 'pm2']) {
      assert.ok(!existsSync(join(image.cwd, 'node_modules', tool)), tool);
    }
    assert.equal(image.user, 'node');
  });

  it('runs on the Node of its base', async () => {
    const { child, output } = run(['node', '--version'], {});
    assert.equal(await codeOf(child), 0);
    assert.match(output(), /^v24\./);
  }, 20_000);

  it('asks for accounts where it is told nothing, since it is meant for production', async () => {
    const { child, output } = run(image.cmd, {});
    assert.equal(await codeOf(child), 78);
    assert.match(output(), /AUTH_SERVER/);
  }, 20_000);

  it('starts by its CMD as its user, serves the chat and its page, is healthy, and ends with 0', async () => {
    assert.equal(await isHealthy(), false);
    const env = { ENV: 'dev', INTERFACE: '127.0.0.1', PORT: String(port), INSTANCES: '2', LOG: 'info' };
    const { child, output } = run(image.cmd, env);
    const url = `http://127.0.0.1:${port}`;
    await eventually('it listens', () => output().includes(`Parley listens on ${url}\n`), 30_000).catch(
      (cause: unknown) => {
        throw new Error(output(), { cause });
      },
    );
    assert.equal(await isHealthy(), true);
    assert.match((await rest(url, 'GET /')).text, /<script type="module"/);
    const guests = await Promise.all(['Ann', 'Bob', 'Cid'].map((it) => createGuest(url, it)));
    const { token = '' } = guests[0] ?? {};
    const room = await createRoom(url, token, 'In the image');
    const clients = await Promise.all(
      guests.map(async (it) => (await bed.client(url, it.token, { name: it.name }).online()).follow(room)),
    );
    await Promise.all(clients.flatMap((it) => [1, 2, 3].map((n) => it.send(room, `${it.name} says ${n}`))));
    assert.equal((await checkLogs(url, token, room, clients)).length, 9);
    assert.ok(readdirSync(join(image.root, 'data')).length > 0);
    for (const client of clients) client.close();
    child.kill(image.stopSignal);
    assert.equal(await codeOf(child), 0, output());
    assert.equal(await isHealthy(), false);
  }, 90_000);
});

describe('scripts/run-dockerfile.js', () => {
  const bed = new TestBed();
  afterAll(() => bed.close());

  async function contextOf(files: Readonly<Record<string, string>>): Promise<string> {
    const dir = await bed.folder();
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(dir, name, '..'), { recursive: true });
      writeFileSync(join(dir, name), text);
    }
    return dir;
  }

  it.each([
    ['is not there', { Dockerfile: 'FROM node:24-slim\nCOPY absent ./\n' }],
    ['is left out', { Dockerfile: 'FROM node:24-slim\nCOPY a/b ./\n', 'a/b': '', '.dockerignore': 'a\n' }],
  ])('fails where what COPY names %s', async (_, files) => {
    const { code, output } = await play(await contextOf(files), await bed.folder());
    assert.equal(code, 1);
    assert.match(output, /is not there/);
  });

  it('refuses what it cannot do as Docker would', async () => {
    for (const step of ['RUN touch /etc/here', 'ADD a b', 'COPY --link a b', 'FROM debian:13 AS other\nRUN true']) {
      const context = await contextOf({ Dockerfile: `FROM node:24-slim\n${step}\n`, a: '' });
      assert.equal((await play(context, await bed.folder())).code, 1, step);
    }
  }, 20_000);

  it('copies a folder without what .dockerignore leaves out', async () => {
    const context = await contextOf({
      Dockerfile:
        '# both\nFROM node:24-slim AS one\nWORKDIR /app\nCOPY . .\nFROM node:24-slim\nCOPY --from=one \\\n /app/src /src/\n',
      '.dockerignore': '*\n!src\n!kept/deep.txt\nsrc/**/*.test.ts\n',
      'src/a.ts': 'a',
      'src/a.test.ts': '',
      'src/deep/b.ts': '',
      'src/deep/b.test.ts': '',
      'kept/deep.txt': '',
      'kept/other.txt': '',
      secret: '',
    });
    const out = await bed.folder();
    const { code, output } = await play(context, out);
    assert.equal(code, 0, output);
    const filesOf = (dir: string): string[] =>
      [...readdirSync(join(out, dir), { recursive: true, withFileTypes: true })]
        .filter((it) => it.isFile())
        .map((it) => join(it.parentPath, it.name).slice(join(out, dir).length + 1))
        .sort();
    assert.deepEqual(filesOf('one/app'), ['kept/deep.txt', 'src/a.ts', 'src/deep/b.ts']);
    assert.deepEqual(filesOf('stage-1'), ['src/a.ts', 'src/deep/b.ts']);
  });
});
