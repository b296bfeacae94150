import { strict as assert } from 'node:assert';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { ROOT } from '../support/root.ts';
import { runScript } from '../support/run-script.ts';
import { openTestApi } from '../support/test-api.ts';

const documentAt = (folder: string, name: string): Promise<string> => readFile(join(folder, name), 'utf8');

describe('documents: what is committed', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-documents-'));
    await runScript('scripts/documents.js', folder);
  }, 60_000);
  afterAll(() => rm(folder, { recursive: true }));

  it.each(['openapi.json', 'asyncapi.json', 'postman.json'])('%s is what `npm run documents` writes', async (name) => {
    const [committed, made] = await Promise.all([documentAt(join(ROOT, 'docs'), name), documentAt(folder, name)]);
    assert.ok(committed === made, `docs/${name} is old; run: npm run documents`);
  });

  it.each(['openapi.json', 'asyncapi.json'])('%s is what the server serves', async (name) => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    const api = await openTestApi({ api: { version } });
    try {
      const served = await api.ok(200, `GET /${name}`);
      assert.deepEqual(served, JSON.parse(await documentAt(join(ROOT, 'docs'), name)));
    } finally {
      await api.close();
    }
  });
});
