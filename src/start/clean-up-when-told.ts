import { type CleanUpPorts, cleanUp } from '../chat/clean-up.ts';
import { ChatError } from '../chat/errors.ts';
import type { Log } from '../chat/ports/log.ts';

/** A store that is away, as it is when a server starts, is asked again after this. */
const AGAIN_MS = 30_000;

/** Gives what starts a clean-up. Told again while one is under way, or waits for the store, it does nothing. */
export function cleanUpWhenTold(ports: CleanUpPorts, log: Log): () => void {
  const { clock } = ports;
  let busy = false;
  const run = (): void => {
    const startedAt = clock.now();
    cleanUp(ports).then(
      (removed) => {
        busy = false;
        const isWorthALine = removed.messages + removed.commands > 0;
        log[isWorthALine ? 'info' : 'debug']('removed what was too old', { ...removed, ms: clock.now() - startedAt });
      },
      (cause: unknown) => {
        const isAway = cause instanceof ChatError && cause.retry;
        log[isAway ? 'debug' : 'warn']('what is too old could not be removed; trying again', { cause });
        clock.after(AGAIN_MS, run);
      },
    );
  };
  return () => {
    if (busy) return;
    busy = true;
    run();
  };
}
