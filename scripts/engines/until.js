// @ts-check
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 25;

/**
 * Rejects when it is not so within `withinMs`, or with what `isSo` throws.
 * @param {string} what
 * @param {() => boolean | Promise<boolean>} isSo
 * @param {number} withinMs
 */
export async function until(what, isSo, withinMs) {
  const dueAt = performance.now() + withinMs;
  while (!(await isSo())) {
    if (performance.now() >= dueAt) throw new Error(`not so within ${withinMs} ms: ${what}`);
    await sleep(POLL_MS);
  }
}
