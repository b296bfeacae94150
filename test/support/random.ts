import { randomInt } from 'node:crypto';

/** Numbers that look random and are the same for the same seed. */
export interface Random {
  readonly seed: number;
  /** A whole number from 0 to `below - 1`. */
  int(below: number): number;
  chance(probability: number): boolean;
  pick<T>(from: readonly [T, ...T[]]): T;
  shuffled<T>(items: readonly T[]): T[];
}

export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  // A Weyl sequence, its bits mixed by two multiplications.
  const next = (): number => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
  const int = (below: number): number => Math.floor(next() * below);
  return {
    seed,
    int,
    chance: (probability) => next() < probability,
    pick: (from) => from[int(from.length)] ?? from[0],
    shuffled: (items) =>
      items
        .map((item) => ({ item, place: next() }))
        .sort((a, b) => a.place - b.place)
        .map(({ item }) => item),
  };
}

/**
 * Runs a check with `runs` seeds, other ones each time; a failure names its seed, and the environment's SEED runs that one
 * alone.
 */
export async function forSeeds(runs: number, check: (random: Random) => void | Promise<void>): Promise<void> {
  const given = process.env.SEED;
  const first = given === undefined ? randomInt(2 ** 31) : Number(given);
  for (let seed = first; seed < first + (given === undefined ? runs : 1); seed += 1) {
    try {
      await check(randomOf(seed));
    } catch (cause) {
      throw new Error(`with SEED=${seed}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    }
  }
}
