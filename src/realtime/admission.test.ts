import { strict as assert } from 'node:assert';
import { afterEach, describe, it } from '@jest/globals';
import { eventually } from '../../test/support/eventually.ts';
import { Admission } from './admission.ts';

let admission: Admission;
afterEach(() => admission.close());

/** Handshakes that end when they are told to. */
function handshakes() {
  const begun: number[] = [];
  const ends = new Map<number, () => void>();
  return {
    begun,
    take: (n: number): boolean =>
      admission.take(async () => {
        begun.push(n);
        await new Promise<void>((resolve) => ends.set(n, resolve));
      }),
    end: (n: number) => ends.get(n)?.(),
  };
}

describe('Admission', () => {
  it('lets in at once who comes alone', () => {
    admission = new Admission(2);
    const { begun, take } = handshakes();
    assert.equal(take(1), true);
    assert.deepEqual(begun, [1]);
  });

  it('works on no more than it has places for, in the order of their coming', async () => {
    admission = new Admission(2);
    const { begun, take, end } = handshakes();
    for (let n = 1; n <= 5; n += 1) take(n);
    await eventually('both places are taken', () => begun.length === 2);
    end(1);
    await eventually('the next one has its turn', () => begun.length === 3);
    end(3);
    end(2);
    await eventually('and the last two', () => begun.length === 5);
    assert.deepEqual(begun, [1, 2, 3, 4, 5]);
  });

  it('lets those in together who come while others do', async () => {
    admission = new Admission(50);
    const { begun, take } = handshakes();
    for (let n = 1; n <= 10; n += 1) take(n);
    assert.deepEqual(begun, [1]);
    const seen = new Set<number>();
    await eventually('all are in', () => seen.add(begun.length) && begun.length === 10);
    assert.deepEqual([...seen], [1, 10]);
  });

  it('sends away who would wait for long, and takes others again when it has caught up', async () => {
    admission = new Admission(1);
    const { begun, take, end } = handshakes();
    for (let n = 0; n <= 20; n += 1) assert.equal(take(n), true);
    assert.equal(admission.isFull, true);
    assert.equal(take(21), false);
    end(0);
    await eventually('the next one has its turn', () => begun.length === 2);
    assert.equal(admission.isFull, false);
    assert.equal(take(22), true);
  });
});
