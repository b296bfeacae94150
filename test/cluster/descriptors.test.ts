import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { afterAll, describe, it } from '@jest/globals';
import { eventually } from '../support/eventually.ts';
import { openFilesOf } from '../support/metrics.ts';
import { POLLING_PATH } from '../support/raw-engine.ts';
import { createGuest, rest } from '../support/rest.ts';
import type { SpawnedServer } from '../support/spawn-server.ts';
import { TestBed } from '../support/test-bed.ts';

const CONNECTIONS = 500;
const OPEN_FILES = 150;
/** The main process opens a file now and then. */
const SPARE = 5;

describe('descriptors', () => {
  const bed = new TestBed();
  afterAll(() => bed.close(), 30_000);

  it.each([
    ['a few at a time, with requests', 20, () => '/livez'],
    ['all at once, with requests', CONNECTIONS, () => '/livez'],
    ['all at once, with polls of others', CONNECTIONS, (n: number) => `${POLLING_PATH}&sid=${1 + (n % 2)}.unknown`],
  ])('more connections than there may be, %s, harm nobody once they are gone', async (_what, atOnce, path) => {
    const server = await bed.server({ INSTANCES: '2' }, { openFiles: OPEN_FILES });
    const before = await server.workers();
    const held = openFilesOf(server.pid);
    const sockets: Socket[] = [];
    while (sockets.length < CONNECTIONS) {
      for (let n = 0; n < atOnce; n += 1) sockets.push(open(server, path(n)));
      await eventually('all are heard or closed', () => sockets.every((it) => it.closed || it.bytesRead > 0), 10_000);
    }
    assert.ok(sockets.some((it) => it.closed));
    for (const it of sockets) it.destroy();
    await eventually('every worker answers', async () => (await server.workers()).size === 2, 20_000);
    assert.deepEqual(await server.workers(), before);
    await eventually('nothing is held any more', () => openFilesOf(server.pid) <= held + SPARE, 10_000);
  });

  it('the main process keeps none of the connections that it answers itself', async () => {
    const server = await bed.server({ INSTANCES: '2' });
    const held = openFilesOf(server.pid);
    for (let n = 0; n < 40; n += 1) {
      const { status } = await rest(server.url, `GET ${POLLING_PATH}&sid=77.unknown`);
      assert.equal(status, 400);
    }
    await eventually('it has let go of them', () => openFilesOf(server.pid) <= held + SPARE);
    await createGuest(server.url, 'Still there');
  });
});

function open({ port }: SpawnedServer, path: string): Socket {
  const socket = connect(Number(port), '127.0.0.1');
  socket.on('error', () => {});
  socket.resume();
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  return socket;
}
