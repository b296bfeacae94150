import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { eventually } from '../../test/support/eventually.ts';
import { WorkerWatch } from './worker-watch.ts';

const TICK_MS = 5;
const PATIENCE = 12;

describe('WorkerWatch', () => {
  let watch: WorkerWatch<string>;
  /** Everything that happened, in order. */
  let told: string[];
  let answer: (worker: string) => void;

  const asked = (worker: string): number => told.filter((it) => it === `ask ${worker}`).length;
  const hung = (): string[] => told.filter((it) => it.startsWith('hung'));

  beforeEach(() => {
    told = [];
    answer = () => {};
    watch = new WorkerWatch({
      tickMs: TICK_MS,
      ask: (worker) => {
        told.push(`ask ${worker}`);
        answer(worker);
      },
      onHung: (worker) => void told.push(`hung ${worker}`),
    });
  });
  afterEach(() => watch.close());

  it('tells once of a worker that was asked twelve times in vain, and of no other one', async () => {
    answer = (worker) => {
      if (worker === 'well') watch.heard(worker);
    };
    for (const worker of ['well', 'stuck']) watch.follow(worker);
    await eventually('the other is asked on', () => asked('well') >= 3 * PATIENCE);
    assert.deepEqual(hung(), ['hung stuck']);
    assert.equal(asked('stuck'), PATIENCE);
  });

  it('begins anew with every word', async () => {
    answer = (worker) => {
      if (asked(worker) % PATIENCE === PATIENCE - 1) watch.heard(worker);
    };
    watch.follow('slow');
    await eventually('it was asked often', () => asked('slow') >= 4 * PATIENCE);
    assert.deepEqual(hung(), []);
  });

  it('holds nothing against a worker while this process itself could not ask', async () => {
    watch.follow('one');
    await eventually('it is asked', () => asked('one') > 0);
    const before = asked('one');
    const until = performance.now() + 4 * PATIENCE * TICK_MS;
    while (performance.now() < until);
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(asked('one') - before <= 1, `asked ${asked('one') - before} times`);
    assert.deepEqual(hung(), []);
  });

  it('leaves who is gone alone, whatever is heard of it afterwards', async () => {
    watch.follow('gone');
    watch.follow('here');
    await eventually('both are asked', () => asked('gone') > 0);
    watch.forget('gone');
    watch.heard('gone');
    const before = asked('gone');
    await eventually('the other is hung', () => hung().length === 1);
    assert.deepEqual([hung(), asked('gone')], [['hung here'], before]);
  });
});
