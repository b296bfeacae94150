import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { connect } from '../../src/sdk/client.ts';
import { NAMESPACE } from '../../src/wire/socket.ts';
import { eventually } from '../support/eventually.ts';
import { openEngine, POLLING_PATH, type RawEngine } from '../support/raw-engine.ts';
import { openTestRealtime, type TestRealtime } from '../support/test-realtime.ts';

const WAITING = 20;
const PLAIN = { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 100 };

let test: TestRealtime;
/** Tokens that are being checked, and how many were at a time at most. */
let checking: number;
let most: number;
let letIn: () => void;

beforeEach(async () => {
  test = await openTestRealtime({ realtime: { maxHandshakes: 1 } });
  checking = 0;
  most = 0;
  const gate = new Promise<void>((resolve) => {
    letIn = resolve;
  });
  const { validate } = test.chat.accounts;
  test.chat.accounts.validate = async (token, options) => {
    checking += 1;
    most = Math.max(most, checking);
    await gate;
    checking -= 1;
    return validate(token, options);
  };
});
afterEach(() => test.close());

async function knock(user: string): Promise<RawEngine> {
  const raw = openEngine(test.port);
  await raw.opened();
  raw.send(`40${NAMESPACE},${JSON.stringify({ token: test.addAccount(user) })}`);
  return raw;
}

/** One is worked on, and all places to wait at are taken. */
async function fill(): Promise<RawEngine[]> {
  const crowd: RawEngine[] = [];
  for (let n = 0; n <= WAITING; n += 1) crowd.push(await knock(`user ${n}`));
  await eventually('one is worked on', () => checking === 1);
  await eventually('it is full', async () => {
    const probe = openEngine(test.port);
    await eventually('an answer', () => probe.packets.length > 0 || probe.isClosed());
    probe.destroy();
    return probe.packets.length === 0;
  });
  return crowd;
}

describe('more clients at once than can be let in', () => {
  it('wait for their turn, and get it', async () => {
    const crowd = await fill();
    assert.equal(test.connections(), 0);
    letIn();
    await Promise.all(crowd.map((it) => it.packet((packet) => packet.startsWith(`40${NAMESPACE}`))));
    assert.equal(most, 1);
    for (const it of crowd) it.destroy();
    await test.assertReleased();
  }, 20_000);

  it('are answered 503 with the time to come back after when there are too many to wait', async () => {
    await fill();
    const refused = openEngine(test.port);
    assert.match(await refused.refusal(), /^HTTP\/1\.1 503 Service Unavailable\r\n(?:.*\r\n)*?Retry-After: 1\r\n/);
    const polled = await fetch(`${test.url}${POLLING_PATH}`);
    assert.deepEqual([polled.status, polled.headers.get('retry-after')], [503, '1']);
  }, 20_000);

  it('keep those who are in', async () => {
    const crowd = await fill();
    letIn();
    const [first] = crowd;
    await first?.packet((packet) => packet.startsWith(`40${NAMESPACE}`));
    assert.equal(first?.isClosed(), false);
  }, 20_000);

  it.each(['websocket', 'polling'] as const)(
    'come back by themselves as plain clients: %s',
    async (transport) => {
      await fill();
      const socket = test.open(test.addAccount('plain'), { ...PLAIN, transports: [transport] });
      const refusals: boolean[] = [];
      socket.on('connect_error', () => refusals.push(socket.active));
      socket.connect();
      await eventually('it was sent away', () => refusals.length > 1);
      assert.ok(
        refusals.every((active) => active),
        'it does not try again',
      );
      letIn();
      await eventually('it is in', () => socket.connected);
    },
    20_000,
  );

  it('come back by themselves when their connection was open before', async () => {
    const early = openEngine(test.port);
    await early.opened();
    await fill();
    early.send(`40${NAMESPACE},${JSON.stringify({ token: test.addAccount('early') })}`);
    await early.closed();
    // A refusal by Socket.IO would be final to a plain client.
    assert.deepEqual(
      early.packets.filter((it) => it.startsWith('4')),
      [],
    );
  }, 20_000);

  it('come back by themselves as clients of the typed kind', async () => {
    await fill();
    const client = connect(test.url, { token: test.addAccount('typed'), reconnect: { minMs: 50, maxMs: 100 } });
    try {
      const states: string[] = [];
      client.on('state', ({ state }) => states.push(state));
      await eventually('it was sent away', () => states.filter((it) => it === 'offline').length > 1);
      letIn();
      await client.ready();
    } finally {
      client.close();
    }
  }, 20_000);

  it('leave their places to others when they do not wait', async () => {
    const crowd = await fill();
    for (const it of crowd.slice(1)) it.destroy();
    letIn();
    await eventually('only one stayed', () => test.connections() === 1);
    await eventually('there is room', async () => {
      const raw = await knock('late');
      return raw.packet((packet) => packet.startsWith(`40${NAMESPACE}`));
    });
  }, 20_000);
});
