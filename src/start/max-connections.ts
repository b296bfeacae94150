import { readFileSync } from 'node:fs';

const OPEN_FILES = /^Max open files\s+(\d+)/m;
/** Of the descriptors of a process: the rest is for its files, its engines and the connections between the workers. */
const SHARE = 0.8;
const OWN_FILES = 40;

/**
 * How many connections of clients a worker may hold. A worker that runs out of descriptors loses connections on their way
 * from the main process, and Node's cluster module waits for ever to hear of them and gives the worker no others.
 */
export function maxConnections(): number {
  let limits = '';
  try {
    limits = readFileSync('/proc/self/limits', 'latin1');
  } catch {
    // Only Linux tells.
  }
  const files = Number(OPEN_FILES.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  return Math.max(1, Math.floor(files * SHARE) - OWN_FILES);
}
