// @ts-check
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * The first of these programs that exists: a name is looked for in PATH.
 * @param {...string} programs
 * @returns {string | undefined}
 */
export function findProgram(...programs) {
  // Some of them are where only root looks.
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return programs
    .flatMap((it) => (it.includes('/') ? [it] : folders.map((folder) => join(folder, it))))
    .find((it) => existsSync(it));
}
