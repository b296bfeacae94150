import assert from 'node:assert/strict';
import { afterEach, describe, it } from '@jest/globals';
import { checkLogs } from '../support/check-logs.ts';
import { eventually } from '../support/eventually.ts';
import { createGuest, createRoom, readHistory } from '../support/rest.ts';
import { startSenders } from '../support/senders.ts';
import { TestBed } from '../support/test-bed.ts';

describe('kill -9 of the whole server', () => {
  let bed = new TestBed();
  afterEach(async () => {
    const used = bed;
    bed = new TestBed();
    await used.close();
  }, 30_000);

  it('under load loses nothing that was acknowledged, and the clients go on by themselves', async () => {
    let server = await bed.server({ INSTANCES: '2' });
    const { url } = server;
    const owner = await createGuest(url, 'Owner');
    const room = await createRoom(url, owner.token, 'Restart');
    const clients = await Promise.all(
      Array.from({ length: 8 }, async (_, n) => {
        const guest = await createGuest(url, `Client ${n}`);
        const client = await bed.client(url, guest.token, { name: `client ${n}` }).online();
        return client.follow(room);
      }),
    );
    const senders = startSenders(clients, [room]);
    for (let round = 1; round <= 2; round += 1) {
      const before = clients.map((it) => it.acked.length);
      await eventually(
        'the load runs',
        () => clients.every((it, n) => it.acked.length >= (before[n] ?? 0) + 5),
        20_000,
      );
      const pids = server.pids();
      assert.equal(pids.length, 3);
      const acked = clients.flatMap((it) => it.acked);
      await server.killGroup();
      server = await bed.again(server);

      assert.equal(server.url, url);
      assert.deepEqual(
        server.pids().filter((it) => pids.includes(it)),
        [],
      );
      const history = new Map((await readHistory(url, owner.token, room)).map((it) => [it.clientId, it.seq]));
      for (const { clientId, seq } of acked)
        assert.equal(history.get(clientId), seq, 'an acknowledged message is lost');
      await eventually(
        'all clients are back',
        () => clients.every((it) => it.socket.connected && it.cuts.length === round),
        15_000,
      );
    }
    await senders.stop();
    const history = await checkLogs(url, owner.token, room, clients);
    assert.ok(history.length >= clients.length * 10);
  }, 60_000);

  it('keeps a second server off its folder while it runs, and lets a restart in at once after kill -9', async () => {
    const first = await bed.server({ INSTANCES: '2' });
    const second = await bed.start({ DATA_DIR: first.options.dataDir });
    const { code } = await second.exited;
    assert.notEqual(code, 0);
    assert.ok(second.output.includes(`process ${first.pid}`), second.output);
    assert.ok(second.output.includes(first.url), second.output);
    assert.doesNotMatch(second.output, /\n\s+at /, 'a sentence, not a stack');
    assert.deepEqual(second.pids(), []);
    await createGuest(first.url, 'Still served');

    await first.killGroup();
    const third = await bed.again(first);
    await createGuest(third.url, 'Served again');
  }, 40_000);

  it('refuses a port that somebody else has, in one sentence', async () => {
    const first = await bed.server();
    const second = await bed.start({ PORT: first.port });
    assert.deepEqual(await second.exited, { code: 1, signal: null });
    assert.match(second.output, new RegExp(`cannot listen on 127.0.0.1, port ${first.port}`));
    assert.doesNotMatch(second.output, /\n\s+at /);
    assert.deepEqual(second.pids(), []);
  }, 30_000);

  it('replaces the only worker when that is killed, on the same port', async () => {
    const server = await bed.server();
    const guest = await createGuest(server.url, 'Alone');
    const client = await bed.client(server.url, guest.token).online();
    const [pid = 0] = server.workerPids();
    process.kill(pid, 'SIGKILL');
    await eventually('the client is back', () => client.cuts.length === 1 && client.socket.connected, 15_000);
    assert.notDeepEqual([...(await server.workers()).values()], [pid]);
  }, 40_000);

  it('leaves no worker behind when the main process alone is killed', async () => {
    const server = await bed.server({ INSTANCES: '2' });
    const pids = server.pids();
    assert.equal(pids.length, 3);
    server.signal('SIGKILL');
    await eventually('no worker stays', () => server.pids().length === 0, 5000);
    await server.exited;
    await bed.again(server);
  }, 30_000);
});
