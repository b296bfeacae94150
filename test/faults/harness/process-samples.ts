import { openFilesOf, rssOf } from '../../support/metrics.ts';

const EVERY_MS = 1000;
const MINUTE_MS = 60_000;

interface Sample {
  readonly at: number;
  /** The same for all processes that were looked at together. */
  readonly look: number;
  readonly rssMib: number;
  readonly fds: number;
}

/** Resident memory and open files of processes, once a second; a process that is replaced begins a series of its own. */
export class ProcessSamples {
  readonly #series = new Map<number, Sample[]>();
  readonly #timer: NodeJS.Timeout;

  constructor(pids: () => readonly number[]) {
    let looks = 0;
    this.#timer = setInterval(() => {
      looks += 1;
      for (const pid of pids()) this.#look(pid, looks);
    }, EVERY_MS);
  }

  #look(pid: number, look: number): void {
    const samples = this.#series.get(pid) ?? [];
    this.#series.set(pid, samples);
    try {
      samples.push({ at: performance.now(), look, rssMib: rssOf(pid), fds: openFilesOf(pid) });
    } catch {} // it has just ended
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** MiB a minute of each process that was watched from `warmUpMs` after its start, and not before `from`, for `leastMs`. */
  slopes(from: number, warmUpMs: number, leastMs: number): number[] {
    const slopes: number[] = [];
    for (const all of this.#series.values()) {
      const warm = Math.max(from, (all[0]?.at ?? 0) + warmUpMs);
      const samples = all.filter((it) => it.at >= warm);
      const lasted = (samples.at(-1)?.at ?? 0) - (samples[0]?.at ?? 0);
      if (lasted >= leastMs) slopes.push(slopeOf(samples));
    }
    return slopes;
  }

  /** What each of them took most, MiB. */
  peaks(): number[] {
    return [...this.#series.values()].map((all) => Math.max(...all.map((it) => it.rssMib)));
  }

  /** Open files of all of them together: the median of that time. */
  filesBetween(from: number, to: number): number {
    const sums = new Map<number, number>();
    for (const samples of this.#series.values()) {
      for (const { at, look, fds } of samples) {
        if (at >= from && at < to) sums.set(look, (sums.get(look) ?? 0) + fds);
      }
    }
    const sorted = [...sums.values()].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? 0;
  }
}

/** By least squares. */
function slopeOf(samples: readonly Sample[]): number {
  const mean = (of: (it: Sample) => number) => samples.reduce((sum, it) => sum + of(it), 0) / samples.length;
  const [at, rss] = [mean((it) => it.at), mean((it) => it.rssMib)];
  const up = samples.reduce((sum, it) => sum + (it.at - at) * (it.rssMib - rss), 0);
  const down = samples.reduce((sum, it) => sum + (it.at - at) ** 2, 0);
  return (up / down) * MINUTE_MS;
}
