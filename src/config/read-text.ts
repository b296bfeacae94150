import { readFileSync } from 'node:fs';
import type { Variable } from './variable.ts';

/**
 * What `env` says of a variable, trimmed; an empty text is as good as none. A secret may also lie in the file that
 * `NAME_FILE` names. Throws an `Error` without the value when both are given or the file cannot be read.
 */
export function readText(row: Variable<unknown>, env: Readonly<NodeJS.ProcessEnv>): string | undefined {
  const given = (name: string): string | undefined => env[name]?.trim() || undefined;
  const direct = given(row.name);
  const file = row.secret ? given(`${row.name}_FILE`) : undefined;
  if (file === undefined) return direct;
  if (direct !== undefined) throw new Error(`is given, and ${row.name}_FILE too; keep one`);
  const text = contentOf(file, `${row.name}_FILE`).trim();
  if (text === '') throw new Error(`the file of ${row.name}_FILE is empty`);
  return text;
}

function contentOf(file: string, name: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const code = typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : 'unknown';
    throw new Error(`the file of ${name} cannot be read (${code})`, { cause });
  }
}
