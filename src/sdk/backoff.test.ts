import { describe, expect, it } from '@jest/globals';
import { randomNumbers } from '../verify/random-numbers.ts';
import { afterMs, backoffMs, reconnectMs } from './backoff.ts';

const waits = { minMs: 100, maxMs: 1000 };

describe('backoffMs', () => {
  it('doubles, half to one and a half times, up to the longest', () => {
    expect([0, 1, 2, 3].map((it) => backoffMs(it, waits, () => 0))).toEqual([50, 100, 200, 400]);
    expect([0, 1, 2].map((it) => backoffMs(it, waits, () => 0.5))).toEqual([100, 200, 400]);
    expect([0, 9].map((it) => backoffMs(it, waits, () => 0.999))).toEqual([150, 1000]);
  });

  it('is spread at the longest, too', () => {
    expect([0, 0.25, 0.5, 0.75].map((it) => backoffMs(99, waits, () => it))).toEqual([500, 625, 750, 875]);
  });
});

describe('afterMs', () => {
  it('is never before what was asked for', () => {
    expect([0, 0.5, 0.999].map((it) => afterMs(1000, () => it))).toEqual([1000, 1250, 1500]);
    expect(afterMs(0)).toBe(0);
  });
});

describe('a thousand clients that lose the same server in the same instant', () => {
  const CLIENTS = 1000;
  const backoff = { minMs: 500, maxMs: 5000 };
  const SLOT_MS = 100;

  /** The most arrivals in any slot. */
  const crowd = (arrivals: readonly number[]): number => {
    const slots = new Map<number, number>();
    for (const at of arrivals) {
      const slot = Math.floor(at / SLOT_MS);
      slots.set(slot, (slots.get(slot) ?? 0) + 1);
    }
    return Math.max(...slots.values());
  };

  it('come back spread, not before they were asked to', () => {
    const random = randomNumbers(1);
    const arrivals = Array.from({ length: CLIENTS }, () => reconnectMs(0, backoff, afterMs(1000, random), random));
    expect(Math.min(...arrivals)).toBeGreaterThanOrEqual(1000);
    expect(crowd(arrivals)).toBeLessThan(CLIENTS / 4);
  });

  it.each([0, 400, 3000, 20_000, 60_000])('come back spread when it is away for %s ms', (awayMs) => {
    const random = randomNumbers(2);
    const arrivals = Array.from({ length: CLIENTS }, () => {
      let at = 0;
      for (let attempt = 0; attempt === 0 || at < awayMs; attempt += 1) {
        at += reconnectMs(attempt, backoff, 0, random);
      }
      return at;
    });
    expect(crowd(arrivals)).toBeLessThan(CLIENTS / 3);
    expect(Math.max(...arrivals)).toBeLessThanOrEqual(awayMs + backoff.maxMs);
  });
});
