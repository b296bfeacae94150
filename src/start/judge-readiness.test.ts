import { describe, expect, it } from '@jest/globals';
import type { Reach } from '../platform/reach.ts';
import { judgeReadiness } from './judge-readiness.ts';

const here = (): Reach => 'here';
const all = { store: here, bus: here, broker: here, accounts: here };
const running = { complete: true, restartWanted: false };

describe('judgeReadiness', () => {
  it('is ready when all workers listen and every part is here', () => {
    expect(judgeReadiness(all, running, false)).toEqual({ ready: true, reasons: [], degraded: [] });
  });

  it.each(['store', 'bus', 'broker', 'accounts'])('is not before %s was reached once', (part) => {
    const found = judgeReadiness({ ...all, [part]: () => 'never' }, running, false);
    expect(found).toEqual({ ready: false, reasons: [part], degraded: [] });
  });

  it.each(['bus', 'broker', 'accounts'])('goes on degraded while %s is away', (part) => {
    const found = judgeReadiness({ ...all, [part]: () => 'away' }, running, false);
    expect(found).toEqual({ ready: true, reasons: [], degraded: [part] });
  });

  it('names everything that stands in the way', () => {
    const found = judgeReadiness(
      { ...all, store: () => 'away', accounts: () => 'away' },
      { complete: false, restartWanted: true },
      true,
    );
    expect(found).toEqual({
      ready: false,
      reasons: ['workers', 'store', 'draining'],
      degraded: ['accounts', 'version'],
    });
  });
});
