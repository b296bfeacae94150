import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { freePorts } from '../../scripts/engines/free-ports.js';
import type { ChatClient } from '../support/chat-client.ts';
import { checkLogs } from '../support/check-logs.ts';
import { eventually } from '../support/eventually.ts';
import { processTable } from '../support/process-table.ts';
import { createGuest, createRoom, type Guest, rest } from '../support/rest.ts';
import { ROOT } from '../support/root.ts';
import { startSenders } from '../support/senders.ts';
import { TestBed } from '../support/test-bed.ts';
import { Pm2 } from './pm2.ts';
import { startRequests } from './steady-requests.ts';

const INSTANCES = 2;
/** From the death of everything until it is served again, on a machine that tests load: 3 s where nothing else runs. */
const BACK_MS = 25_000;

describe('ecosystem.config.js under pm2', () => {
  const bed = new TestBed();
  let pm2: Pm2;
  let url: string;
  let owner: Guest;
  let room: string;
  let clients: ChatClient[];

  beforeAll(async () => {
    const built = spawnSync(process.execPath, [join(ROOT, 'scripts/build-if-needed.js')], { stdio: 'inherit' });
    assert.equal(built.status, 0);
    const dir = await bed.folder();
    const port = String(await freePorts(1));
    url = `http://127.0.0.1:${port}`;
    pm2 = bed.own(
      new Pm2(dir, {
        PORT: port,
        INSTANCES: String(INSTANCES),
        DATA_DIR: join(dir, 'data'),
        DRAIN_MS: '500',
        // A line per request, so that an output nobody reads is met.
        LOG: 'http',
        RATE_GUESTS: 'off',
        RATE_ROOMS: 'off',
        RATE_MESSAGES: 'off',
      }),
      (it) => it.close(),
    );
    await pm2.run(['start', 'ecosystem.config.js', '--only', 'parley']);
    // `wait_ready`: the command waits for it.
    assert.equal((await rest(url, 'GET /readyz')).status, 200);
    owner = await createGuest(url, 'Owner');
    room = await createRoom(url, owner.token, 'Under pm2');
    clients = await Promise.all(
      Array.from({ length: 8 }, async (_, n) => {
        const guest = await createGuest(url, `Client ${n}`);
        const client = await bed.client(url, guest.token, { name: `client ${n}` }).online();
        return client.follow(room);
      }),
    );
  }, 60_000);
  afterAll(() => bed.close(), 60_000);

  const workersOf = (pid: number): number[] => processTable().flatMap((it) => (it.parent === pid ? [it.pid] : []));
  const groupOf = (pid: number): number[] => processTable().flatMap((it) => (it.group === pid ? [it.pid] : []));
  const served = (): Promise<boolean> => rest(url, 'GET /readyz').then((it) => it.status === 200);
  const allConnected = (): boolean => clients.every((it) => it.socket.connected);

  it('shows one app online, whose main process forked the workers', async () => {
    const apps = await pm2.list();
    assert.deepEqual(
      apps.map((it) => [it.name, it.pm2_env.status, it.pm2_env.restart_time]),
      [['parley', 'online', 0]],
    );
    assert.equal(workersOf(apps[0]?.pid ?? 0).length, INSTANCES);
    assert.match(await pm2.output('parley'), new RegExp(`^Parley listens on ${url}$`, 'm'));
  }, 15_000);

  it('sendSignal SIGHUP replaces the workers without a failed request or a lost message', async () => {
    const { pid } = await pm2.app('parley');
    const old = workersOf(pid);
    const agent = bed.own(new Agent({ keepAlive: true, maxSockets: 4 }), (it) => it.destroy());
    const requests = startRequests(url, owner.token, room, agent);
    const senders = startSenders(clients, [room]);
    await eventually(
      'the load runs',
      () => requests.count() > 50 && clients.every((it) => it.acked.length > 2),
      20_000,
    );

    await pm2.run(['sendSignal', 'SIGHUP', 'parley']);
    await eventually(
      'no old worker runs',
      () => {
        const now = workersOf(pid);
        return now.length === INSTANCES && now.every((it) => !old.includes(it));
      },
      40_000,
    );
    await eventually(
      'all clients have moved',
      () => allConnected() && clients.every((it) => it.cuts.length > 0),
      20_000,
    );
    await senders.stop();
    assert.deepEqual(await requests.stop(), [], `of ${requests.count()} requests`);
    await checkLogs(url, owner.token, room, clients, 10_000);
    const { pm2_env, pid: same } = await pm2.app('parley');
    assert.deepEqual([same, pm2_env.restart_time], [pid, 0]);
  }, 90_000);

  it('starts it again after a kill -9 of the main process, without a worker left over', async () => {
    const { pid } = await pm2.app('parley');
    const senders = startSenders(clients, [room]);
    const before = clients.map((it) => it.acked.length);
    const all = groupOf(pid);
    assert.equal(all.length, 1 + INSTANCES);
    process.kill(pid, 'SIGKILL');
    await eventually('the old processes are gone', () => groupOf(pid).length === 0, BACK_MS);
    await eventually('it is served again', served, BACK_MS);
    const app = await pm2.app('parley');
    assert.notEqual(app.pid, pid);
    assert.deepEqual([app.pm2_env.status, app.pm2_env.restart_time], ['online', 1]);
    await eventually(
      'everybody sends again',
      () => allConnected() && clients.every((it, n) => it.acked.length > (before[n] ?? 0) + 3),
      20_000,
    );
    await senders.stop();
    await checkLogs(url, owner.token, room, clients, 10_000);
  }, 60_000);

  it('goes on serving when the daemon is killed, and gives way to a resurrected one', async () => {
    await pm2.run(['save']);
    const { pid } = await pm2.app('parley');
    const agent = bed.own(new Agent({ keepAlive: true, maxSockets: 4 }), (it) => it.destroy());
    const requests = startRequests(url, owner.token, room, agent);
    process.kill(await pm2.daemonPid(), 'SIGKILL');
    const seen = requests.count();
    await eventually('more was asked', () => requests.count() > seen + 200, 20_000);
    assert.deepEqual(await requests.stop(), []);
    assert.equal(groupOf(pid).length, 1 + INSTANCES);

    await pm2.run(['resurrect']);
    // The old server still holds the data: whoever comes says which process that is.
    await eventually(
      'the first is named',
      async () => (await pm2.output('parley')).includes(`is in use by another server (process ${pid},`),
      20_000,
    );
    process.kill(pid, 'SIGTERM');
    await eventually('the old processes are gone', () => groupOf(pid).length === 0, 15_000);
    const app = await eventually(
      'pm2 runs it again',
      async () => {
        const found = await pm2.app('parley');
        return (
          found.pm2_env.status === 'online' && workersOf(found.pid).length === INSTANCES && (await served()) && found
        );
      },
      30_000,
    );
    assert.ok(app && app.pid !== pid);
    await eventually('all clients are back', allConnected, 20_000);
  }, 120_000);

  it('save and resurrect bring it back with its settings and its messages', async () => {
    await pm2.run(['save']);
    const { pid } = await pm2.app('parley');
    await pm2.run(['kill']);
    assert.deepEqual(groupOf(pid), []);
    // Without any setting of its own: what was saved counts.
    await pm2.run(['resurrect'], { PORT: '1', INSTANCES: '1', DATA_DIR: '/nowhere' });
    await eventually('it is served again', served, BACK_MS);
    const app = await pm2.app('parley');
    assert.equal(workersOf(app.pid).length, INSTANCES);
    await eventually('all clients are back', allConnected, 20_000);
    await Promise.all(clients.map((it) => it.send(room, `${it.name} is back`)));
    await checkLogs(url, owner.token, room, clients, 10_000);
  }, 60_000);

  it('stop ends it in time and leaves no process', async () => {
    const { pid } = await pm2.app('parley');
    await pm2.run(['stop', 'parley']);
    assert.deepEqual(groupOf(pid), []);
    assert.equal((await pm2.app('parley')).pm2_env.status, 'stopped');
    const ends = (await pm2.log()).split('\n').filter((it) => it.includes(' exited with '));
    assert.match(ends.at(-1) ?? '', /exited with code \[0\]/);
  }, 30_000);

  it('does not start again what is configured wrongly', async () => {
    const { restart_time } = (await pm2.app('parley')).pm2_env;
    await pm2.run(['start', 'ecosystem.config.js', '--only', 'parley', '--env', 'production', '--update-env']);
    await eventually('it said why', async () => (await pm2.output('parley')).includes('AUTH_SERVER'), 10_000);
    await eventually('pm2 saw its end', async () => (await pm2.log()).includes('exited with code [78]'), 10_000);
    // Longer than the first pauses before a restart together.
    const until = performance.now() + 2000;
    await eventually('some time has passed', () => performance.now() > until);
    const app = await pm2.app('parley');
    assert.deepEqual([app.pid, app.pm2_env.restart_time], [0, restart_time]);
    assert.equal((await pm2.log()).split('exited with code [78]').length - 1, 1);
  }, 40_000);
});
