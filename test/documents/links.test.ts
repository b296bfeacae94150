import { strict as assert } from 'node:assert';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from '@jest/globals';
import { ROOT } from '../support/root.ts';

const anchorOf = (title: string): string =>
  title
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-');

const docs = (await readdir(join(ROOT, 'docs'))).filter((it) => it.endsWith('.md'));
const pages = ['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md', ...docs.map((it) => `docs/${it}`)];

describe('documents: pages', () => {
  it.each(pages)('%s links to what there is', async (page) => {
    const text = await readFile(join(ROOT, page), 'utf8');
    for (const [, link = ''] of text.replace(/```.*?```/gs, '').matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(link)) continue;
      const [path = '', anchor] = link.split('#');
      const file = path === '' ? join(ROOT, page) : join(ROOT, dirname(page), path);
      assert.ok(existsSync(file), link);
      if (anchor === undefined) continue;
      const titles = (await readFile(file, 'utf8')).match(/^#+ .*$/gm) ?? [];
      assert.ok(
        titles.some((it) => anchorOf(it.replace(/^#+ /, '')) === anchor),
        link,
      );
    }
  });

  it('are all found from docs/README.md', async () => {
    const index = await readFile(join(ROOT, 'docs/README.md'), 'utf8');
    for (const page of docs) assert.ok(page === 'README.md' || index.includes(`(${page})`), page);
  });

  it('say what to do about every alarm', async () => {
    const page = await readFile(join(ROOT, 'docs/operations.md'), 'utf8');
    const alarms = [...page.matchAll(/alert: (\w+)/g)].map(([, name]) => name ?? '');
    const rows = page.split('\n').filter((it) => it.startsWith('| Parley'));
    const explained = rows.flatMap((row) => row.split('|')[1]?.match(/Parley\w+/g) ?? []);
    assert.ok(alarms.length > 10);
    assert.deepEqual([...alarms].sort(), explained.sort());
  });
});
