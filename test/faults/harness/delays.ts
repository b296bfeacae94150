import { quantilesOf } from '../../../src/verify/quantiles.ts';
import { PATIENCE } from './patience.ts';

const SECOND_MS = 1000;
const TIMES = 1.2;
const NOISE_MS = 20 * PATIENCE;

/** How long something took that was due or done at that time; milliseconds, monotonic. */
export interface Delay {
  readonly at: number;
  readonly ms: number;
}

export interface DelayFigures {
  readonly p99: number;
  /** The p99 of the median second: other programs of a machine make spikes, what is slower for good is slower here. */
  readonly typicalP99: number;
}

export function figuresOf(delays: readonly Delay[]): DelayFigures {
  const seconds = new Map<number, number[]>();
  for (const { at, ms } of delays) {
    const second = Math.floor(at / SECOND_MS);
    const those = seconds.get(second) ?? [];
    seconds.set(second, those);
    those.push(ms);
  }
  return {
    p99: quantilesOf(delays.map((it) => it.ms)).p99,
    typicalP99: quantilesOf([...seconds.values()].map((it) => quantilesOf(it).p99)).p50,
  };
}

interface BeforeAndDuring {
  readonly before: DelayFigures;
  readonly during: DelayFigures;
}

/**
 * What is not slower while something is broken: a fifth above before, and on top what the machine did at the same time to
 * a bystander, who has nothing to do with what is broken.
 */
export function slowerLimit({ before }: BeforeAndDuring, bystander: BeforeAndDuring): number {
  const machine = Math.max(0, bystander.during.typicalP99 - bystander.before.typicalP99);
  return Math.round(Math.max(TIMES * before.typicalP99, before.typicalP99 + NOISE_MS) + machine);
}
