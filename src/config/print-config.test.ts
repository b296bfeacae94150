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

  it('shows none of the secrets of the engines, nor passwords where none belong', () => {
    const secrets = ['MONGODB_URI', 'REDIS_PASSWORD', 'REDIS_URL', 'AMQP_PASSWORD', 'AMQP_URL', 'STOCK_URL'];
    expect(ROWS.filter((it) => it.secret).map((it) => it.name)).toEqual(secrets);
    for (const name of secrets) {
      expect(printConfig({ [name]: 'hunter2' })).toMatch(new RegExp(`\n- \`${name}\` is set\n`));
      expect(printConfig({ [name]: 'hunter2' })).not.toContain('hunter2');
      expect(printConfig({ [`${name}_FILE`]: '/run/hunter2' })).toMatch(new RegExp(`\n- \`${name}_FILE\` is set\n`));
    }
    for (const text of ['https://u:hunter2@a.example/x', 'https://u:hunt/er2@a.example', 'u:hunter2@a.example']) {
      const printed = printConfig({ AUTH_SERVER: text });
      expect(printed).toMatch(/`AUTH_SERVER=(https:\/\/)?…@a\.example/);
      expect(printed).not.toMatch(/hunt\/?er2/);
    }
  });

  it('stands in README as it is printed (npm run config)', () => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
    expect(readme).toContain(configTable());
  });
});
