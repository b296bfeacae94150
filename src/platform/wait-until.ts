import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_MS = 20;

/** Resolves once `isSo`, and at `dueAt` (by `performance.now()`) whatever is so then. */
export async function waitUntil(isSo: () => boolean, dueAt: number): Promise<void> {
  while (!isSo() && performance.now() < dueAt) await sleep(LOOK_MS);
}
