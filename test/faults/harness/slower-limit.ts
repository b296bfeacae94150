import type { Quantiles } from '../../../src/verify/quantiles.ts';

const TIMES = 1.2;
const NOISE_MS = 20;

export interface BeforeAndDuring {
  readonly before: Quantiles;
  readonly during: Quantiles;
}

/**
 * The p99 that others may have while something is broken, in ms: a fifth more than before, and on top what the machine
 * did at the same time to a bystander, who has nothing to do with what is broken.
 */
export function slowerLimit({ before }: BeforeAndDuring, bystander: BeforeAndDuring): number {
  const machine = Math.max(0, bystander.during.p99 - bystander.before.p99);
  return Math.round(Math.max(TIMES * before.p99, before.p99 + NOISE_MS) + machine);
}
