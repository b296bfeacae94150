import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { connectRaw } from './raw-client.js';

const TICKS_PER_SECOND = 100;
const MEMBERS = 20;
const RATE = 100;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function cpuMs(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
}

/** What a room whose members are all on one worker costs the other workers: CPU ms per second, idle and while it talks. */
export async function measureIdleWorkers(start, { seconds }) {
  const server = await start();
  try {
    const clients = [];
    let home;
    while (clients.length < MEMBERS) {
      const client = await connectRaw(server.url, await server.token(), {});
      while (client.node === undefined) await sleep(5);
      home ??= client.node;
      if (client.node === home) clients.push(client);
      else client.close();
    }
    const homePid = await pidOf(server, home);
    const others = server
      .pids()
      .slice(1)
      .filter((pid) => pid !== homePid);
    const spend = async (work) => {
      const before = others.map(cpuMs);
      await work();
      return others.reduce((sum, pid, at) => sum + cpuMs(pid) - before[at], 0) / seconds / Math.max(1, others.length);
    };
    await sleep(1500); // what starting cost is over
    const idle = await spend(() => sleep(seconds * 1000));
    const talking = await spend(async () => {
      const startedAt = performance.now();
      for (let n = 0; performance.now() - startedAt < seconds * 1000; ) {
        for (; startedAt + (n * 1000) / RATE <= performance.now(); n += 1) {
          void clients[n % 8].send({ chatroom: server.room, message: 'x'.repeat(80), clientId: `c${n}` });
        }
        await sleep(1);
      }
    });
    for (const client of clients) client.close();
    return { others: others.length, idle, talking };
  } finally {
    await server.stop();
  }
}

/** Each question on a connection of its own, until the worker of that name answers. */
async function pidOf(server, node) {
  for (;;) {
    const { worker, pid } = await new Promise((resolve, reject) => {
      get(`${server.url}/readyz`, { agent: false }, (answer) => {
        let text = '';
        answer.on('data', (chunk) => {
          text += chunk;
        });
        answer.on('end', () => resolve(JSON.parse(text)));
      }).on('error', reject);
    });
    if (worker === node) return pid;
  }
}
