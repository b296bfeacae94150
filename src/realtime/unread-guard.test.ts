import { strict as assert } from 'node:assert';
import { EventEmitter } from 'node:events';
import { afterEach, describe, it } from '@jest/globals';
import { UnreadGuard } from './unread-guard.ts';

/** A connection as far as the guard looks at it. */
class FakeConnection extends EventEmitter {
  writeBuffer: unknown[] = [];
  readonly transport = { socket: { bufferedAmount: 0 } };
}

let guard: UnreadGuard<{ socket: { conn: FakeConnection } }>;
afterEach(() => guard.close());

const LIMITS = { bytes: 1000, ms: 200 };
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function watched(): { conn: FakeConnection; cut: () => number } {
  let cuts = 0;
  const conn = new FakeConnection();
  guard = new UnreadGuard(LIMITS, () => {
    cuts += 1;
  });
  guard.watch({ socket: { conn } });
  return { conn, cut: () => cuts };
}

describe('UnreadGuard', () => {
  it.each([
    ['text that waits', (conn: FakeConnection) => conn.writeBuffer.push({ data: 'x'.repeat(1001) })],
    ['a frame that waits', (conn: FakeConnection) => conn.writeBuffer.push({ options: frame(1001) })],
    [
      'what the WebSocket has taken',
      (conn: FakeConnection) => {
        conn.transport.socket.bufferedAmount = 1001;
      },
    ],
  ])('cuts by bytes: %s', async (_what, hold) => {
    const { conn, cut } = watched();
    hold(conn);
    await sleep(LIMITS.ms * 0.75);
    assert.equal(cut(), 1);
    assert.equal(conn.writeBuffer.length, 0);
    await sleep(LIMITS.ms * 2);
    assert.equal(cut(), 1);
  });

  it('leaves alone who has read a large page by the next look', async () => {
    const { conn, cut } = watched();
    let looks = 0;
    Object.defineProperty(conn.transport.socket, 'bufferedAmount', {
      get: () => {
        looks += 1;
        return looks % 2 === 0 ? 0 : 5000;
      },
    });
    while (looks < 6) await sleep(10);
    assert.equal(cut(), 0);
  });

  it('cuts by time what is not taken, and nothing that is', async () => {
    const { conn, cut } = watched();
    const until = performance.now() + LIMITS.ms * 4;
    while (performance.now() < until) {
      conn.writeBuffer = [{ data: 'x' }]; // there is always something
      conn.emit('flush');
      await sleep(10);
    }
    assert.equal(cut(), 0);
    await sleep(LIMITS.ms * 2);
    assert.equal(cut(), 1);
  });

  it('forgets a connection that is closed', async () => {
    const { conn, cut } = watched();
    conn.emit('close');
    conn.writeBuffer.push({ data: 'x'.repeat(1001) });
    await sleep(LIMITS.ms);
    assert.equal(cut(), 0);
  });
});

const frame = (bytes: number): object => ({ wsPreEncodedFrame: [Buffer.alloc(bytes)] });
