import { existsSync, readFileSync } from 'node:fs';

const STAT = '/proc/stat';

/** Ticks of all cores since the start of the machine: idle ones, and all. */
function ticks(): { readonly idle: number; readonly all: number } {
  if (!existsSync(STAT)) return { idle: 0, all: 0 };
  const [line = ''] = readFileSync(STAT, 'latin1').split('\n');
  const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, ...rest] = line.split(/\s+/).slice(1).map(Number);
  // The last two are in user and nice already.
  const others = rest.slice(0, 3).reduce((sum, it) => sum + it, 0);
  return { idle: idle + wait, all: user + nice + system + idle + wait + others };
}

/** Gives the share of all cores that was taken since, by whatever ran; 0 where nobody knows. */
export function watchMachine(): () => number {
  const before = ticks();
  return () => {
    const { idle, all } = ticks();
    return all === before.all ? 0 : 1 - (idle - before.idle) / (all - before.all);
  };
}
