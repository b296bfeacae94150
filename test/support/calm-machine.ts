import { existsSync, readFileSync } from 'node:fs';

const LOOK_MS = 1000;
const PATIENCE_MS = 30_000;
/** Of all cores. */
const BUSY = 0.4;

/** Ticks of all cores since the start of the machine: idle ones, and all. */
function ticks(): { readonly idle: number; readonly all: number } {
  const [line = ''] = readFileSync('/proc/stat', 'latin1').split('\n');
  const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, ...rest] = line.split(/\s+/).slice(1).map(Number);
  // The last two are in user and nice already.
  const others = rest.slice(0, 3).reduce((sum, it) => sum + it, 0);
  return { idle: idle + wait, all: user + nice + system + idle + wait + others };
}

/**
 * Waits for a second in which others leave most of the machine alone, half a minute at most: what is measured against a
 * limit in seconds says nothing of a server that was given no time. Resolves with the share that was taken in the last
 * second, to be told beside the figures. To be called while the test itself does nothing.
 */
export async function calmMachine(): Promise<number> {
  if (!existsSync('/proc/stat')) return 0;
  for (const giveUpAt = performance.now() + PATIENCE_MS; ; ) {
    const before = ticks();
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    const after = ticks();
    const taken = 1 - (after.idle - before.idle) / Math.max(1, after.all - before.all);
    if (taken <= BUSY || performance.now() > giveUpAt) return taken;
  }
}
