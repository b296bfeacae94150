import type { Clock } from './ports/clock.ts';

const RETRY_MS = 1000;
/** How much longer than a run the pause after it is: what may be asked for again and again takes a fifth of the time. */
const PAUSE_PER_RUN = 4;

/**
 * Gives a function that starts `run`. Asked for while it runs, or rests after a run, it runs once more afterwards, however
 * often it was asked for: so nothing piles up, and what was asked for last is always done. A run that rejects is told to
 * `failed` and made again after a second, until one succeeds.
 */
export function oneAtATime(clock: Clock, run: () => Promise<void>, failed: (cause: unknown) => void): () => void {
  let busy = false;
  let again = false;
  const rest = (ms: number): void => {
    clock.after(ms, () => {
      busy = false;
      if (again) start();
    });
  };
  const start = (): void => {
    busy = true;
    again = false;
    const startedAt = clock.now();
    run().then(
      () => rest((clock.now() - startedAt) * PAUSE_PER_RUN),
      (cause: unknown) => {
        failed(cause);
        again = true;
        rest(Math.max(RETRY_MS, (clock.now() - startedAt) * PAUSE_PER_RUN));
      },
    );
  };
  return () => {
    if (busy) again = true;
    else start();
  };
}
