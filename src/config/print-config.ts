import { NOT_BUILT_NAMES } from './not-built.ts';
import { shown, type Variable } from './variable.ts';
import { ROWS } from './variables.ts';

const HEAD = ['variable', 'default', 'values', 'meaning'];

/** The configuration table in Markdown, as README shows it. */
export function configTable(): string {
  const rows = ROWS.map((row) => [names(row), fallback(row), row.values, row.doc]);
  return [HEAD, HEAD.map(() => '---'), ...rows].map((cells) => `| ${cells.map(cell).join(' | ')} |`).join('\n');
}

/** The table, and what `env` sets of it; a secret only says that it is set. */
export function printConfig(env: Readonly<NodeJS.ProcessEnv>): string {
  const set = ROWS.flatMap((row) => {
    const file = `${row.name}_FILE`;
    if (row.secret && env[file]) return [`- \`${file}\` is set`];
    const text = env[row.name]?.trim() ?? '';
    if (text === '') return [];
    return [row.secret ? `- \`${row.name}\` is set` : `- \`${row.name}=${shown(text)}\``];
  });
  return `${configTable()}\n\n${set.length === 0 ? 'Nothing of it is set here.' : `Set here:\n\n${set.join('\n')}`}\n`;
}

/** Every name the environment may carry for this server, `NODE_ENV` included; tests start without them. */
export const CONFIG_NAMES: readonly string[] = [
  'NODE_ENV',
  ...ROWS.flatMap((row) => (row.secret ? [row.name, `${row.name}_FILE`] : [row.name])),
  ...NOT_BUILT_NAMES,
];

const cell = (text: string): string => text.replaceAll('|', '\\|');

const names = (row: Variable<unknown>): string =>
  row.secret ? `\`${row.name}\` or \`${row.name}_FILE\`` : `\`${row.name}\``;

function fallback(row: Variable<unknown>): string {
  if (row.fallbackWords !== undefined) return row.fallbackWords;
  if (row.fallback === undefined) return 'none';
  if (typeof row.fallback === 'string') return `\`${row.fallback}\``;
  return `\`${row.fallback.dev}\` in dev, \`${row.fallback.production}\` in production`;
}
