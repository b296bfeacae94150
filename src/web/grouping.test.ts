import { describe, expect, it } from '@jest/globals';
import { continues, startsDay } from './grouping.ts';

const at = (owner: string, minute: number, more: { inReplyTo?: string; bot?: { name: string } } = {}) => ({
  owner,
  createdAt: new Date(2026, 0, 5, 12, minute).toISOString(),
  ...more,
});

describe('continues', () => {
  it('joins what one person says in a row', () => {
    expect(continues(at('a', 1), at('a', 0))).toBe(true);
    expect(continues(at('a', 6), at('a', 0))).toBe(false);
    expect(continues(at('b', 1), at('a', 0))).toBe(false);
    expect(continues(at('a', 0), undefined)).toBe(false);
  });

  it('lets a reply, and a bot that speaks for somebody, stand on its own', () => {
    expect(continues(at('a', 1, { inReplyTo: 'x' }), at('a', 0))).toBe(false);
    expect(continues(at('a', 1, { bot: { name: 'stock' } }), at('a', 0))).toBe(false);
  });
});

describe('startsDay', () => {
  it('goes by the local day', () => {
    const late = { owner: 'a', createdAt: new Date(2026, 0, 5, 23, 59).toISOString() };
    const early = { owner: 'a', createdAt: new Date(2026, 0, 6, 0, 1).toISOString() };
    expect(startsDay(early, late)).toBe(true);
    expect(continues(early, late)).toBe(false);
    expect(startsDay(late, at('a', 0))).toBe(false);
    expect(startsDay(late, undefined)).toBe(true);
  });
});
