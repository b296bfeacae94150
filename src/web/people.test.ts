import { describe, expect, it } from '@jest/globals';
import { called, calling, hueOf, initials } from './people.ts';

describe('called', () => {
  it('reads back what calling gave, and a bare ID', () => {
    expect(called(calling('g-1', 'Ada <b> Lovelace'))).toEqual({ user: 'g-1', name: 'Ada b Lovelace' });
    expect(called('  g-1 ')).toEqual({ user: 'g-1' });
    expect(called('<g-1>')).toEqual({ user: 'g-1' });
  });
});

describe('initials', () => {
  it('takes the first and the last word', () => {
    expect(['Ada', 'ada king lovelace', ' émile zola ', '😀 x', ''].map(initials)).toEqual([
      'A',
      'AL',
      'ÉZ',
      '😀X',
      '?',
    ]);
  });
});

describe('hueOf', () => {
  it('is the same for the same person, and within the stylesheet', () => {
    expect(hueOf('g-1')).toBe(hueOf('g-1'));
    const hues = new Set(Array.from({ length: 200 }, (_, i) => hueOf(`g-${i}`)));
    expect([Math.min(...hues), Math.max(...hues)]).toEqual([0, 11]);
  });
});
