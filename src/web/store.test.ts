import { describe, expect, it } from '@jest/globals';
import { Store } from './store.ts';

describe('Store', () => {
  it('tells watchers once per turn, and only of what they picked', async () => {
    const store = new Store({ a: 1, b: 1 });
    const seen: number[] = [];
    const off = store.watch(
      (it) => it.a,
      (a) => seen.push(a),
    );
    expect(seen).toEqual([1]);
    store.set({ b: 2 });
    store.set({ a: 2 });
    store.set({ a: 3 });
    expect(store.state).toEqual({ a: 3, b: 2 });
    await Promise.resolve();
    expect(seen).toEqual([1, 3]);
    off();
    store.set({ a: 4 });
    await Promise.resolve();
    expect(seen).toEqual([1, 3]);
  });
});
