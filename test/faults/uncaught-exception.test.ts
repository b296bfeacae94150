import assert from 'node:assert/strict';
import { afterAll, describe, it } from '@jest/globals';
import { checkLogs } from '../support/check-logs.ts';
import { eventually } from '../support/eventually.ts';
import { createGuest, createRoom } from '../support/rest.ts';
import { startSenders } from '../support/senders.ts';
import { TestBed } from '../support/test-bed.ts';
import { actOnSignal } from './harness/act-on-signal.ts';
import { PATIENCE } from './harness/patience.ts';
import { recordFigures } from './harness/record-figures.ts';

const BACK_MS = 3000 * PATIENCE;
/** In the first worker something throws, in any later one a promise rejects that nobody waits for. */
const CODE = `
  if (process.getBuiltinModule('cluster').worker.id === 1) throw new Error('a test throws');
  Promise.reject(new Error('a test rejects'));
`;
const SAID = [/a test throws/, /a test rejects/];

describe('R20: an exception that nobody expected', () => {
  const bed = new TestBed();
  afterAll(() => bed.close(), 30_000);

  it('ends its worker, whose place is taken within 3 s; nobody else is cut, nothing is lost', async () => {
    const server = await bed.server({ INSTANCES: '3', LOG: 'warn', ...actOnSignal(CODE) });
    const owner = await createGuest(server.url, 'Owner');
    const room = await createRoom(server.url, owner.token, 'Exceptions');
    const clients = await bed.clientsOnAllWorkers(server, owner.token, 9);
    for (const client of clients) await client.follow(room);
    const senders = bed.own(startSenders(clients, [room]), (it) => it.stop());
    const backMs: number[] = [];

    for (const [at, said] of SAID.entries()) {
      const workers = await server.workers();
      const name = String(at + 1);
      const pid = workers.get(name) ?? 0;
      const affected = clients.filter((it) => it.node === name);
      const before = clients.map((it) => it.cuts.length);
      assert.ok(affected.length > 0 && affected.length < clients.length);
      const startedAt = performance.now();
      process.kill(pid, 'SIGUSR2');
      await eventually('the worker is gone', () => !server.workerPids().includes(pid), BACK_MS);
      await server.workers(); // all of them answer
      backMs.push(performance.now() - startedAt);
      assert.ok((backMs.at(-1) ?? 0) <= BACK_MS, `its place was taken after ${backMs.at(-1)} ms`);
      assert.match(server.output, said);
      assert.match(server.output, new RegExp(`a worker died and is replaced .*pid=${pid} code=1\\b`));
      await eventually('its clients are back', () => affected.every((it) => it.socket.connected && it.node !== name));
      for (const [n, it] of clients.entries()) {
        assert.equal(it.cuts.length - (before[n] ?? 0), affected.includes(it) ? 1 : 0, it.name);
      }
    }
    await senders.stop();
    const history = await checkLogs(server.url, owner.token, room, clients);
    recordFigures({
      run: 'R20-exception',
      over: 'embedded',
      fault: 'an uncaught exception in one of 3 workers, then an unhandled rejection in another',
      bite: '2 pids changed, both ended with 1',
      figures: [
        {
          what: 'place taken again after',
          value: backMs.map((it) => `${Math.round(it)} ms`).join(', '),
          limit: `<= ${BACK_MS} ms`,
        },
        { what: 'messages sent meanwhile, none lost or doubled', value: String(history.length) },
      ],
    });
  }, 60_000);
});
