import { strict as assert } from 'node:assert';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { ROOT } from '../support/root.ts';
import { runScript } from '../support/run-script.ts';

interface Operation {
  readonly operationId: string;
  readonly summary: string;
}

describe('documents: apidoc', () => {
  let folder: string;
  let bundle: string;
  let page: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-apidoc-test-'));
    await runScript('scripts/apidoc.js', join(folder, 'html'));
    page = await readFile(join(folder, 'html/index.html'), 'utf8');
    const written = await readFile(join(folder, 'html/assets/main.bundle.js'), 'utf8');
    bundle = written.replace(/\\(?:x|u)([0-9a-f]{2,4})/gi, (_all, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
  }, 120_000);
  afterAll(() => rm(folder, { recursive: true }));

  it('tells of every operation', async () => {
    const { paths } = JSON.parse(await readFile(join(ROOT, 'docs/openapi.json'), 'utf8')) as {
      paths: Record<string, Record<string, Operation>>;
    };
    let told = 0;
    for (const [path, methods] of Object.entries(paths)) {
      for (const [method, { operationId, summary }] of Object.entries(methods)) {
        assert.ok(bundle.includes(`"${operationId}"`), operationId);
        assert.ok(bundle.includes(`"${path.replace(/\{(\w+)\}/g, ':$1')}"`), `${method} ${path}`);
        assert.ok(bundle.includes(summary), summary);
        told += 1;
      }
    }
    assert.ok(told > 30);
  });

  it('loads nothing from elsewhere', () => {
    const loaded = [...page.matchAll(/(?:src|href)="([^"{]+)"/g)].map(([, it]) => it ?? '');
    assert.ok(loaded.some((it) => it.includes('main.bundle.js')));
    for (const it of loaded) assert.ok(!/^(?:https?:)?\/\//.test(it), it);
  });
});
