import { strict as assert } from 'node:assert';
import { describe, it } from '@jest/globals';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { oneAtATime } from './one-at-a-time.ts';

describe('oneAtATime', () => {
  const play = () => {
    const clock = new FakeClock(0);
    const startedAt: number[] = [];
    const ends: { resolve: () => void; reject: (cause: Error) => void }[] = [];
    const failures: unknown[] = [];
    const run = () =>
      new Promise<void>((resolve, reject) => {
        startedAt.push(clock.now());
        ends.push({ resolve, reject });
      });
    const ask = oneAtATime(clock, run, (cause) => failures.push(cause));
    const end = async (cause?: Error) => {
      const last = ends.at(-1);
      if (cause) last?.reject(cause);
      else last?.resolve();
      await settle();
    };
    return { clock, startedAt, failures, ask, end };
  };

  it('runs at once, and once more for all that was asked meanwhile', async () => {
    const { clock, startedAt, ask, end } = play();
    ask();
    await clock.advance(100);
    for (let n = 0; n < 5; n += 1) ask();
    assert.deepEqual(startedAt, [0]);
    await end();
    await clock.advance(399);
    assert.deepEqual(startedAt, [0]);
    await clock.advance(1);
    assert.deepEqual(startedAt, [0, 500]);
    await end();
    await clock.advance(10_000);
    assert.deepEqual(startedAt, [0, 500]);
    ask();
    assert.deepEqual(startedAt, [0, 500, 10_500]);
  });

  it('rests after a run before the next that is asked for', async () => {
    const { clock, startedAt, ask, end } = play();
    ask();
    await clock.advance(50);
    await end();
    await clock.advance(100);
    ask();
    assert.deepEqual(startedAt, [0]);
    await clock.advance(100);
    assert.deepEqual(startedAt, [0, 250]);
  });

  it('is made again after a second when it fails, until it succeeds', async () => {
    const { clock, startedAt, failures, ask, end } = play();
    ask();
    await end(new Error('not now'));
    await clock.advance(1000);
    await end(new Error('nor now'));
    await clock.advance(1000);
    await end();
    await clock.advance(10_000);
    assert.deepEqual(startedAt, [0, 1000, 2000]);
    assert.equal(failures.length, 2);
  });
});
