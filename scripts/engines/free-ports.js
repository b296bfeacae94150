// @ts-check
import { createServer } from 'node:net';

/** Below those that connections going out are given, any of which would be in the way. */
const FIRST = 20_000;
const LAST = 30_000;

/**
 * The first of `count` ports in a row that were free on loopback a moment ago.
 * @param {number} count
 * @returns {Promise<number>}
 */
export async function freePorts(count) {
  // Random: several processes look at the same time.
  for (let tries = 0; tries < 100; tries += 1) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST - count));
    if (await arePortsFree(port, count)) return port;
  }
  throw new Error(`no ${count} free ports in a row from ${FIRST} to ${LAST}`);
}

/**
 * @param {number} port
 * @param {number} count
 * @returns {Promise<boolean>}
 */
export async function arePortsFree(port, count) {
  for (let at = port; at < port + count; at += 1) if (!(await isFree(at))) return false;
  return true;
}

/**
 * @param {number} port
 * @returns {Promise<boolean>}
 */
function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
