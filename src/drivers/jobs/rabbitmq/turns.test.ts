import { strict as assert } from 'node:assert';
import { describe, it } from '@jest/globals';
import { Turns } from './turns.ts';

const CALLERS = 100;
const PER_TURN = 6;

/** Keeps the event loop busy that long in each of its turns while all callers go on; resolves with what was seen of them. */
async function watch(busyMs: number): Promise<{ order: number[]; mostPerTurn: number; ms: number }> {
  const turns = new Turns();
  const order: number[] = [];
  const startedAt = performance.now();
  const all = Array.from({ length: CALLERS }, (_, n) => turns.next().then(() => void order.push(n)));
  let before = 0;
  let mostPerTurn = 0;
  const look = (): void => {
    mostPerTurn = Math.max(mostPerTurn, order.length - before);
    before = order.length;
    for (const until = performance.now() + busyMs; performance.now() < until; );
    if (order.length < CALLERS) setImmediate(look);
  };
  setImmediate(look);
  await Promise.all(all);
  return { order, mostPerTurn, ms: performance.now() - startedAt };
}

describe('turns', () => {
  it.each([0, 3])(
    'let callers go on in their order, a few in each turn of the event loop (busy: %s ms)',
    async (ms) => {
      const { order, mostPerTurn } = await watch(ms);
      assert.deepEqual(
        order,
        order.map((_, n) => n),
      );
      assert.ok(mostPerTurn <= PER_TURN, `${mostPerTurn} at once`);
    },
  );

  it('leave a busy process time for others, and go on all the same', async () => {
    const busy = await watch(5);
    // All of it in one go: a turn for each few, and nothing between them.
    assert.ok(busy.ms > (CALLERS / PER_TURN) * 5 * 1.5, `${busy.ms} ms`);
    assert.ok(busy.ms < 5000, `${busy.ms} ms`);
  });

  it('are given up in time, and others have theirs', async () => {
    const turns = new Turns();
    const many = Array.from({ length: 40 * CALLERS }, () => turns.next());
    const late = turns.next(1);
    const last = turns.next(30_000);
    assert.equal(await late, false);
    assert.ok((await Promise.all([...many, last])).every((isTurn) => isTurn));
    assert.equal(await turns.next(1000), true);
  });
});
