import { describe, expect, it } from '@jest/globals';
import { afterMs, backoffMs } from './backoff.ts';

const waits = { minMs: 100, maxMs: 1000 };

describe('backoffMs', () => {
  it('doubles, half to one and a half times, up to the longest', () => {
    expect([0, 1, 2, 3].map((it) => backoffMs(it, waits, () => 0))).toEqual([50, 100, 200, 400]);
    expect([0, 1, 2, 3, 4, 99].map((it) => backoffMs(it, waits, () => 0.5))).toEqual([100, 200, 400, 800, 1000, 1000]);
    expect([0, 9].map((it) => backoffMs(it, waits, () => 0.999))).toEqual([150, 1000]);
  });
});

describe('afterMs', () => {
  it('is never before what was asked for', () => {
    expect([0, 0.5, 0.999].map((it) => afterMs(1000, () => it))).toEqual([1000, 1250, 1500]);
    expect(afterMs(0)).toBe(0);
  });
});
