import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parseConfig } from './parse-config.ts';
import { CONFIG_NAMES, configTable, printConfig } from './print-config.ts';
import { ROWS } from './variables.ts';

describe('the configuration table', () => {
  it('has a line for every variable, with four cells', () => {
    const lines = configTable().split('\n');
    expect(lines).toHaveLength(ROWS.length + 2);
    for (const line of lines) expect(line.replaceAll('\\|', '').split('|')).toHaveLength(6);
    expect(lines).toContain(
      '| `PORT` | `3000` | 0-65535 | TCP port of REST, Socket.IO and the page; 0 takes a free one |',
    );
    expect(lines.some((it) => it.startsWith('| `LOG` | `debug` in dev, `info` in production | `error`, '))).toBe(true);
  });

  it('names no variable twice', () => {
    expect(new Set(CONFIG_NAMES).size).toBe(CONFIG_NAMES.length);
  });

  it('states defaults of dev that are the ones in force', () => {
    const spelled = Object.fromEntries(
      ROWS.flatMap((row) => {
        const text = typeof row.fallback === 'object' ? row.fallback.dev : row.fallback;
        return text === undefined ? [] : [[row.name, text]];
      }),
    );
    expect(parseConfig(spelled)).toEqual(parseConfig({}));
  });

  it('shows what is set, and no secret', () => {
    const printed = printConfig({ PORT: '8080', STOCK_URL: 'https://x/{code}?key=hunter2', PATH: '/bin' });
    expect(printed).toContain('- `PORT=8080`');
    expect(printed).toContain('- `STOCK_URL` is set');
    expect(printed).not.toContain('hunter2');
    expect(printed).not.toContain('/bin');
    expect(printConfig({ STOCK_URL_FILE: '/run/secrets/x' })).toContain('- `STOCK_URL_FILE` is set');
    expect(printConfig({})).toContain('Nothing of it is set here.');
  });

  it('stands in README as it is printed (npm run config)', () => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
    expect(readme).toContain(configTable());
  });
});
