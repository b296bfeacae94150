// @ts-check
// `npm run services`: real engines for a Parley of this checkout, kept under .services until they are stopped.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { answers, comesUp, onFreePorts, spawnEngine } from './engines/engine.js';
import { MONGODB } from './engines/mongodb.js';
import { installLines, NEEDS } from './engines/needs.js';
import { birthOf, endGroup, isGroupRunning } from './engines/process-group.js';
import { RABBITMQ } from './engines/rabbitmq.js';
import { REDIS } from './engines/redis.js';

/** @typedef {import('./engines/engine.js').EngineKind} EngineKind */
/** @typedef {{ pid: number, birth: string, port: number }} Started */

const USAGE = `usage: npm run services                 start what is installed; on stdout one setting a line:
                                        eval "$(npm run -s services)" && npm start
       npm run services -- status
       npm run services -- stop         end them and remove their data
       npm run -s services -- install   print what installs the missing ones on Debian: … | sh`;

const home = join(dirname(dirname(fileURLToPath(import.meta.url))), '.services');
const kinds = [MONGODB, REDIS, RABBITMQ];
/** @param {EngineKind} kind */
const folder = (kind) => join(home, kind.id);
/** @param {EngineKind} kind */
const record = (kind) => join(home, `${kind.id}.json`);

const COMMANDS = { start, stop, status, install };
const [name = 'start', ...rest] = process.argv.slice(2);
const command = Object.entries(COMMANDS).find(([it]) => it === name)?.[1];
if (command === undefined || rest.length > 0) {
  console.error(USAGE);
  process.exitCode = 64;
} else {
  await command();
}

async function start() {
  const installed = kinds.filter((it) => it.find() !== undefined);
  for (const kind of kinds) {
    if (!installed.includes(kind)) console.error(`${kind.name} is not installed; see: npm run -s services -- install`);
  }
  const started = await Promise.allSettled(installed.map(startOne));
  for (const [index, kind] of installed.entries()) {
    const result = started[index];
    if (result?.status === 'fulfilled') {
      console.log(`export ${kind.setting}='${kind.url(result.value, kind.database)}'`);
    } else {
      console.error(result?.reason);
      process.exitCode = 1;
    }
  }
  // Their processes are children of this one, and stay.
  process.exit();
}

/**
 * Its port. What was started here before and runs is taken as it is; what died or hangs is started again with its data,
 * at the address that others have been told.
 * @param {EngineKind} kind
 */
async function startOne(kind) {
  const before = recorded(kind);
  if (before) {
    if (isRunning(before) && (await answers(kind, before.port))) return before.port;
    if (isRunning(before)) await endGroup(before.pid, 'SIGTERM');
    try {
      return await startAt(kind, before.port);
    } catch (cause) {
      console.error(`${kind.name} does not come up again and is started without its data`, cause);
    }
  }
  await stopOne(kind);
  try {
    return await onFreePorts(kind, (port) => startAt(kind, port));
  } catch (cause) {
    await stopOne(kind);
    throw cause;
  }
}

/**
 * @param {EngineKind} kind
 * @param {number} port
 */
async function startAt(kind, port) {
  const dir = folder(kind);
  mkdirSync(dir, { recursive: true });
  const child = await spawnEngine(kind, dir, port);
  const pid = child.pid ?? 0;
  // Before it is up: `stop` has to find it whatever happens meanwhile.
  writeFileSync(record(kind), JSON.stringify({ pid, birth: birthOf(pid), port }));
  await comesUp(kind, dir, port, child);
  return port;
}

async function stop() {
  await Promise.all(kinds.map(stopOne));
}

/** @param {EngineKind} kind */
async function stopOne(kind) {
  const started = recorded(kind);
  if (started && isRunning(started)) await endGroup(started.pid, 'SIGTERM');
  rmSync(folder(kind), { recursive: true, force: true, maxRetries: 5 });
  rmSync(record(kind), { force: true });
}

async function status() {
  for (const kind of kinds) {
    const started = recorded(kind);
    if (started === undefined) {
      console.log(`${kind.name}: not started`);
      continue;
    }
    const { pid, port } = started;
    const hangs = (await answers(kind, port)) ? 'runs' : 'DOES NOT ANSWER';
    const state = isRunning(started) ? hangs : 'HAS DIED; `npm run services` starts it again';
    console.log(`${kind.name}: ${state}, process ${pid}, ${kind.url(port, kind.database)}`);
  }
}

function install() {
  for (const line of installLines(NEEDS.filter((it) => it.find() === undefined))) console.log(line);
}

/**
 * What was started here and not stopped, whether it runs or not.
 * @param {EngineKind} kind
 * @returns {Started | undefined}
 */
function recorded(kind) {
  return existsSync(record(kind)) ? JSON.parse(readFileSync(record(kind), 'utf8')) : undefined;
}

/**
 * Whether anything of it runs. Another process may have been given the id of the first one, but not while others of its
 * group are left.
 * @param {Started} started
 */
function isRunning({ pid, birth }) {
  return isGroupRunning(pid) && [birth, ''].includes(birthOf(pid));
}
