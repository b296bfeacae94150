// @ts-check
// Starts and ends real engines: each in a process group of its own, with its own data folder, on loopback only.
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { connect, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { arePortsFree, freePorts } from './free-ports.js';
import { endGroup, signalGroup } from './process-group.js';
import { until } from './until.js';

/**
 * What there is to know of a kind of engine.
 * @typedef {object} EngineKind
 * @property {string} name as people write it
 * @property {string} id for names of folders
 * @property {string} variable where tests find the address
 * @property {string} setting where Parley finds it
 * @property {string} [database] that Parley is sent to
 * @property {number} ports how many it takes, in a row
 * @property {() => string | undefined} find its program, where it is installed
 * @property {(port: number, database?: string) => string} url
 * @property {(at: { program: string, dir: string, port: number }) => Command} command
 * @property {Uint8Array} question that it answers once it can be used
 * @property {(answer: Buffer) => boolean} isAnswer
 */

/** @typedef {{ program: string, args: string[], env?: Record<string, string> }} Command */
/** @typedef {import('node:child_process').ChildProcess} ChildProcess */

/**
 * A running engine, alone of its kind in its process group. Every promise resolves when it is so, not when it was asked for.
 * @typedef {object} Engine
 * @property {string} url
 * @property {number} port
 * @property {number} pid of the process group; another one after a restart
 * @property {() => Promise<void>} kill at once, as `kill -9`; port and data stay, for `restart`
 * @property {() => Promise<void>} stop for good; a folder that the starter made is removed
 * @property {() => Promise<void>} restart on the same port and data folder, whether it runs, is frozen or was killed
 * @property {() => void} freeze it keeps its connections and answers nothing
 * @property {() => void} thaw
 */

/** `dir` is made where it does not exist and then stays; without it there is one of its own. */
/** @typedef {{ dir?: string, port?: number }} EngineOptions */

/** RabbitMQ needs 6 s of two free cores. */
const UP_MS = 90_000;
const PORTS_MS = 10_000;
const ANSWER_MS = 1000;
/** Another process may take a port that was free a moment ago. */
const TRIES = 3;

/**
 * Is told the process group on its input. When that ends, because the process that started the engine is gone, however
 * it went, this ends the group and removes the folder.
 */
const GUARD = `pid=
while read -r line; do pid=$line; done
for _ in 1 2 3 4 5 6 7 8 9 10; do [ -n "$pid" ] && kill -9 "-$pid" 2>/dev/null || break; sleep 0.1; done
rm -rf "$1"`;

/**
 * Rejects when the kind is not installed, and with the end of its log when it does not come up.
 * @param {EngineKind} kind
 * @param {EngineOptions} [options]
 * @returns {Promise<Engine>}
 */
export async function startEngine(kind, options = {}) {
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), `parley-${kind.id}-`));
  const ownDir = options.dir === undefined ? dir : '';
  const guard = startGuard(ownDir);
  let pid = 0;
  let port = 0;

  /** @param {number} at */
  const start = async (at) => {
    const child = await spawnEngine(kind, dir, at);
    pid = child.pid ?? 0;
    port = at;
    guard.watch(pid);
    await comesUp(kind, dir, at, child);
  };
  /** @param {NodeJS.Signals} signal */
  const end = async (signal) => {
    await endGroup(pid, signal);
    guard.watch(undefined);
  };
  const close = async () => {
    guard.end();
    if (ownDir) await rm(ownDir, { recursive: true, force: true, maxRetries: 5 });
  };

  try {
    if (options.port === undefined) await onFreePorts(kind, start);
    else await start(options.port);
  } catch (cause) {
    await close();
    throw cause;
  }
  return {
    url: kind.url(port),
    port,
    get pid() {
      return pid;
    },
    kill: () => end('SIGKILL'),
    stop: async () => {
      await end('SIGTERM');
      await close();
    },
    restart: async () => {
      await end('SIGTERM');
      await start(port);
    },
    freeze: () => signalGroup(pid, 'SIGSTOP'),
    thaw: () => signalGroup(pid, 'SIGCONT'),
  };
}

/**
 * @template T
 * @param {EngineKind} kind
 * @param {(port: number) => Promise<T>} start
 * @returns {Promise<T>}
 */
export async function onFreePorts(kind, start) {
  for (let tries = 1; ; tries += 1) {
    const port = await freePorts(kind.ports);
    try {
      return await start(port);
    } catch (error) {
      if (tries === TRIES || (await arePortsFree(port, kind.ports))) throw error;
    }
  }
}

/**
 * The process, which cannot be used yet: see `comesUp`. It outlives this one, and its output goes to a file, so that it
 * never waits for a reader.
 * @param {EngineKind} kind
 * @param {string} dir
 * @param {number} port
 * @returns {Promise<ChildProcess>}
 */
export async function spawnEngine(kind, dir, port) {
  const program = kind.find();
  if (program === undefined) throw new Error(`${kind.name} is not installed; see: npm run services -- install`);
  // Those of a process that was just killed may take a moment.
  await until(`ports from ${port} on are free`, () => arePortsFree(port, kind.ports), PORTS_MS);
  mkdirSync(join(dir, 'data'), { recursive: true });
  const command = kind.command({ program, dir, port });
  const log = openSync(join(dir, 'log'), 'a');
  const { PATH = '', HOME = dir } = process.env;
  const child = spawn(command.program, command.args, {
    cwd: dir,
    detached: true,
    env: { PATH, HOME, LANG: 'C.UTF-8', ...command.env },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
  return child;
}

/**
 * Rejects with the end of its log, and has ended it then.
 * @param {EngineKind} kind
 * @param {string} dir
 * @param {number} port
 * @param {ChildProcess} child
 */
export async function comesUp(kind, dir, port, child) {
  try {
    await until(
      `${kind.name} answers`,
      async () => {
        if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${kind.name} has ended`);
        return await answers(kind, port);
      },
      UP_MS,
    );
  } catch (cause) {
    await endGroup(child.pid ?? 0, 'SIGKILL');
    throw new Error(`${kind.name} did not come up:\n${readFileSync(join(dir, 'log'), 'utf8').slice(-2000)}`, { cause });
  }
}

/**
 * @param {EngineKind} kind
 * @param {number} port
 * @returns {Promise<boolean>}
 */
export function answers(kind, port) {
  return new Promise((resolve) => {
    let answer = Buffer.alloc(0);
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => socket.write(kind.question));
    socket.on('data', (chunk) => {
      answer = Buffer.concat([answer, chunk]);
      if (kind.isAnswer(answer)) socket.destroy();
    });
    socket.setTimeout(ANSWER_MS, () => socket.destroy());
    socket.on('error', () => {}); // `close` follows
    socket.once('close', () => resolve(kind.isAnswer(answer)));
  });
}

/** @param {string} dir */
function startGuard(dir) {
  const child = spawn('/bin/sh', ['-c', GUARD, 'guard', dir], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  // An engine without a guard is ended by its `stop` all the same.
  child.on('error', () => {});
  child.stdin.on('error', () => {});
  // It may not keep this process alive; a pipe is a socket.
  child.unref();
  if (child.stdin instanceof Socket) child.stdin.unref();
  return {
    /** @param {number | undefined} pid */
    watch: (pid) => void child.stdin.write(`${pid ?? ''}\n`),
    end: () => void child.kill('SIGKILL'),
  };
}
