import { type CleanUpPorts, cleanUp } from '../chat/clean-up.ts';
import type { Log } from '../chat/ports/log.ts';

/** Gives what starts a clean-up. Told again while one is under way it does nothing; one that fails waits for the next time. */
export function cleanUpWhenTold(ports: CleanUpPorts, log: Log): () => void {
  let busy = false;
  return () => {
    if (busy) return;
    busy = true;
    const started = ports.clock.now();
    cleanUp(ports)
      .then(
        (removed) => {
          const isWorthALine = removed.messages + removed.commands > 0;
          log[isWorthALine ? 'info' : 'debug']('removed what was too old', {
            ...removed,
            ms: ports.clock.now() - started,
          });
        },
        (cause: unknown) => log.warn('what is too old could not be removed; trying again later', { cause }),
      )
      .finally(() => {
        busy = false;
      });
  };
}
