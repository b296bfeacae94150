import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const NAME = /^parley-(\d+)-\w{6}$/;

/**
 * A private folder for the Unix sockets of the workers: short of path, since such a path has 107 characters at most, and
 * named after this process, so that what a killed one left behind is found and removed by the next start.
 */
export async function openSocketFolder(): Promise<string> {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(NAME.exec(name)?.[1]);
    // Another user's is not ours to remove, and stays.
    if (pid > 0 && !isRunning(pid)) await removeFolder(join(tmpdir(), name)).catch(() => {});
  }
  return mkdtemp(join(tmpdir(), `parley-${process.pid}-`));
}

export const removeFolder = (dir: string): Promise<void> => rm(dir, { recursive: true, force: true });

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return typeof error === 'object' && error !== null && 'code' in error && error.code === 'EPERM';
  }
}
