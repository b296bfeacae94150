import { strict as assert } from 'node:assert';
import { describe, it } from '@jest/globals';
import { forSeeds } from '../../test/support/random.ts';
import { SlidingWindow } from './sliding-window.ts';

describe('SlidingWindow', () => {
  it('lets no more than the count through in any window, and refuses nobody for nothing', () =>
    forSeeds(100, (random) => {
      const window = new SlidingWindow();
      const rate = { count: 1 + random.int(5), windowMs: 1 + random.int(300) };
      const taken: number[] = [];
      let now = 1_000_000;
      for (let step = 0; step < 300; step += 1) {
        now += random.int(rate.windowMs);
        if (random.chance(0.1)) window.sweep(now);
        const inWindow = taken.filter((it) => it > now - rate.windowMs);
        const answer = window.take('key', rate, now);
        assert.equal(answer.ok, inWindow.length < rate.count);
        if (answer.ok && random.chance(0.15)) window.refund('key');
        else if (answer.ok) taken.push(now);
        else assert.equal(now + answer.retryAfterMs, (inWindow[0] ?? 0) + rate.windowMs, 'it says when');
      }
    }));

  it('answers exactly when it said', () => {
    const window = new SlidingWindow();
    const rate = { count: 2, windowMs: 1000 };
    for (const at of [0, 400]) assert.deepEqual(window.take('a', rate, at), { ok: true });
    assert.deepEqual(window.take('a', rate, 900), { ok: false, retryAfterMs: 100 });
    assert.deepEqual(window.take('a', rate, 999), { ok: false, retryAfterMs: 1 });
    assert.deepEqual(window.take('a', rate, 1000), { ok: true });
    assert.deepEqual(window.take('a', rate, 1001), { ok: false, retryAfterMs: 399 });
  });

  it('counts keys apart and knows no limit without a rate', () => {
    const window = new SlidingWindow();
    const rate = { count: 1, windowMs: 1000 };
    for (const key of ['a', 'b', '__proto__', '']) assert.equal(window.take(key, rate, 0).ok, true, key);
    for (const key of ['a', 'b', '__proto__', '']) assert.equal(window.take(key, rate, 0).ok, false, key);
    for (let n = 0; n < 100; n += 1) assert.equal(window.take('a', null, 0).ok, true);
  });

  it('gives one back, and nothing where nothing was taken', () => {
    const window = new SlidingWindow();
    const rate = { count: 1, windowMs: 1000 };
    window.refund('a');
    assert.equal(window.take('a', rate, 0).ok, true);
    window.refund('a');
    window.refund('a');
    assert.equal(window.take('a', rate, 1).ok, true);
    assert.equal(window.take('a', rate, 2).ok, false);
  });

  it('forgets nothing that still counts when it is swept', () => {
    const window = new SlidingWindow();
    window.take('short', { count: 1, windowMs: 10 }, 0);
    window.take('long', { count: 1, windowMs: 1000 }, 0);
    window.sweep(500);
    assert.equal(window.take('short', { count: 1, windowMs: 10 }, 500).ok, true);
    assert.equal(window.take('long', { count: 1, windowMs: 1000 }, 500).ok, false);
  });
});
