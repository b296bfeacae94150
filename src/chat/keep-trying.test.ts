import { strict as assert } from 'node:assert';
import { describe, it } from '@jest/globals';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { keepTrying } from './keep-trying.ts';

describe('keepTrying', () => {
  const play = (answers: (boolean | Error)[], delayMs: number) => {
    const clock = new FakeClock(0);
    const triedAt: number[] = [];
    const gaveUp: unknown[] = [];
    const step = async (): Promise<boolean> => {
      triedAt.push(clock.now());
      const answer = answers[Math.min(triedAt.length, answers.length) - 1] ?? false;
      if (answer instanceof Error) throw answer;
      return answer;
    };
    keepTrying(clock, delayMs, step, (cause) => gaveUp.push(cause));
    return { clock, triedAt, gaveUp };
  };

  it('tries until it is done', async () => {
    const { clock, triedAt, gaveUp } = play([false, new Error('not now'), true], 100);
    await clock.advance(600_000);
    assert.deepEqual(triedAt, [100, 600, 1600]);
    assert.deepEqual(gaveUp, []);
    assert.equal(clock.waiting, 0);
  });

  it('tries at once without a delay, and once when that does', async () => {
    const { clock, triedAt } = play([true], -5);
    assert.deepEqual(triedAt, [0]);
    await clock.advance(600_000);
    assert.equal(triedAt.length, 1);
  });

  it('gives up after about a minute, and says why', async () => {
    const cause = new Error('away');
    const { clock, triedAt, gaveUp } = play([cause], 0);
    await clock.advance(600_000);
    assert.equal(triedAt.length, 8);
    assert.equal(triedAt.at(-1), 63_500);
    assert.deepEqual(gaveUp, [cause]);
    const never = play([false], 0);
    await never.clock.advance(600_000);
    assert.deepEqual(never.gaveUp, [undefined]);
  });
});
