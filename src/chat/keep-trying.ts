import type { Clock } from './ports/clock.ts';

const FIRST_PAUSE_MS = 500;
/** With doubling pauses: for about a minute. */
const TRIES = 8;

/**
 * Runs `step` after `delayMs`, and again after growing pauses while it resolves with false or rejects, for about a
 * minute. `gaveUp` is told the last try's error, or undefined when there was none.
 */
export function keepTrying(
  clock: Clock,
  delayMs: number,
  step: () => Promise<boolean>,
  gaveUp: (cause: unknown) => void,
): void {
  const run = (tries: number): void => {
    const again = (cause?: unknown): void => {
      if (tries + 1 >= TRIES) gaveUp(cause);
      else clock.after(FIRST_PAUSE_MS * 2 ** tries, () => run(tries + 1));
    };
    step().then((done) => (done ? undefined : again()), again);
  };
  if (delayMs <= 0) run(0);
  else clock.after(delayMs, () => run(0));
}
