import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** `sysconf(_SC_CLK_TCK)` is 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const PAGE_KIB = 4;

const file = (name) => fileURLToPath(new URL(name, import.meta.url));

/** One worker, like the plain server, on the embedded parts; the main process counts too. */
export const parley = () => startParley({ INSTANCES: '1' });

/** Several workers on Redis and MongoDB. */
export const parleyOnEngines = (workers, { redis, mongodb }) =>
  startParley({
    INSTANCES: String(workers),
    REDIS_URL: redis,
    REDIS_KEY: uniqueName(),
    MONGODB_URI: mongodb(uniqueName()),
  });

export async function plain() {
  const server = await startServer(file('./plain-server.js'), process.env);
  return { ...server, room: 'bench', token: async () => 'none' };
}

/** Several workers with Socket.IO's own Redis adapter. */
export async function plainOnRedis(workers, { redis }) {
  const env = { ...process.env, INSTANCES: String(workers), REDIS_URL: redis };
  const server = await startServer(file('./plain-redis-server.js'), env);
  return { ...server, room: 'bench', token: async () => 'none' };
}

const uniqueName = () => `bench-${process.pid}-${performance.now().toString(36).replace('.', '')}`;

async function startParley(parts) {
  const dir = await mkdtemp(join(tmpdir(), 'parley-bench-'));
  const env = {
    ...process.env,
    ENV: 'dev',
    PORT: '0',
    DATA_DIR: dir,
    LOG: 'warn',
    RATE_MESSAGES: 'off',
    RATE_ROOMS: 'off',
    RATE_GUESTS: 'off',
    ...parts,
  };
  const server = await startServer(file('../dist/main.js'), env);
  const call = async (method, path, token, body) => {
    const answer = await fetch(server.url + path, {
      method,
      headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  const owner = await call('POST', '/v1/accounts/guest', undefined, { name: 'owner' });
  const room = await call('POST', '/v1/chat/rooms', owner.token, { name: 'bench' });
  return {
    ...server,
    room: room.id,
    async token() {
      const { token } = await call('POST', '/v1/accounts/guest', undefined, { name: 'somebody' });
      await call('PUT', `/v1/chat/rooms/${room.id}/members/me`, token);
      return token;
    },
    async stop() {
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function startServer(script, env) {
  const child = spawn(process.execPath, [script], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const url = await new Promise((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
      const found = /listens on (http:\/\/\S+)/.exec(text);
      if (found) resolve(found[1]);
    });
    child.once('exit', (code) => reject(new Error(`${script} ended with ${code} before it listened`)));
  });
  return {
    url,
    pids: () => [child.pid, ...childrenOf(child.pid)],
    /** CPU seconds and resident KiB of all its processes. */
    usage() {
      let cpuSeconds = 0;
      let kib = 0;
      for (const pid of [child.pid, ...childrenOf(child.pid)]) {
        const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
        cpuSeconds += (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
        kib += Number(fields[21]) * PAGE_KIB;
      }
      return { cpuSeconds, kib };
    },
    stop: () =>
      new Promise((resolve) => {
        child.once('exit', resolve);
        child.kill('SIGTERM');
      }),
  };
}

function childrenOf(pid) {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number),
  );
}
