import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A word for what is installed: a build has the packages in it that were there. Empty where npm has left no list. */
export function installedPackages(root) {
  const list = join(root, 'node_modules/.package-lock.json');
  return existsSync(list) ? createHash('sha256').update(readFileSync(list)).digest('hex') : '';
}
