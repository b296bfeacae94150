import { strict as assert } from 'node:assert';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { ERRORS } from '../../src/chat/errors.ts';
import type { Readiness } from '../../src/http/system/system-routes.ts';
import { openTestApi, type TestApi } from '../support/test-api.ts';

describe('REST: the root', () => {
  let api: TestApi;
  let webDir: string;
  let readiness: Readiness;

  beforeAll(async () => {
    webDir = await mkdtemp(join(tmpdir(), 'parley-web-'));
    await mkdir(join(webDir, 'assets'));
    await writeFile(join(webDir, 'index.html'), '<!doctype html><title>chat</title>');
    await writeFile(join(webDir, 'assets', 'index-Ab3dE6_8.js'), 'export {};');
    await writeFile(join(webDir, '.secret'), 'secret');
    readiness = { ready: true, reasons: [], degraded: ['bus'], worker: 'w7', pid: 42 };
    api = await openTestApi({ api: { webDir, readiness: async () => readiness } });
  });
  afterAll(async () => {
    await api.close();
    await rm(webDir, { recursive: true });
  });

  it('is alive', async () => assert.deepEqual(await api.ok(200, 'GET /livez'), { live: true }));

  it('tells whether it is ready, what is away and who says so', async () => {
    assert.deepEqual(await api.ok(200, 'GET /readyz'), readiness);
    readiness = { ...readiness, ready: false, reasons: ['draining'] };
    assert.deepEqual(await api.ok(503, 'GET /readyz'), readiness);
  });

  it('hands out measures', async () => {
    const { status, headers, text } = await api.call('GET /metrics');
    assert.deepEqual([status, text], [200, 'up 1\n']);
    assert.match(headers['content-type'] ?? '', /^text\/plain/);
  });

  it('serves the page fresh, hashed files for good and nothing hidden', async () => {
    const page = await api.call('GET /');
    assert.match(page.text, /<title>chat/);
    assert.match(page.headers['content-type'] ?? '', /^text\/html/);
    assert.equal(page.headers['cache-control'], 'no-cache');
    const cached = await api.call('GET /', { headers: { 'if-none-match': page.headers.etag ?? '' } });
    assert.equal(cached.status, 304);
    const asset = await api.call('GET /assets/index-Ab3dE6_8.js');
    assert.match(asset.headers['content-type'] ?? '', /javascript/);
    assert.equal(asset.headers['cache-control'], 'public, max-age=31536000, immutable');
    for (const path of [
      '/.secret',
      '/assets/none.js',
      '/assets',
      '/..%2f..%2fetc/passwd',
      '/%2e%2e/%2e%2e/etc/passwd',
    ]) {
      await api.refused(404, 702, `GET ${path}`);
    }
    for (const path of ['/%00', '/%zz']) {
      const { status, json } = await api.call(`GET ${path}`);
      assert.ok([400, 404].includes(status) && [702, 704].includes(Number(json.error)), path);
    }
  });

  it('documents itself without anything from elsewhere', async () => {
    const { text } = await api.call('GET /docs');
    const loaded = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path ?? '');
    assert.ok(loaded.length >= 4);
    for (const path of loaded) {
      assert.match(path, /^\/docs\//);
      assert.equal((await api.call(`GET ${path}`)).status, 200, path);
    }
    assert.ok(!/<script>|<style|style=|\son\w+=/.test(text), 'nothing inline');
    const { text: start } = await api.call('GET /docs/start.js');
    assert.ok(!/https?:/.test(start) && start.includes('validatorUrl: null'));
  });

  it('lists every error where its problems point to', async () => {
    const { text, status } = await api.call('GET /docs/errors');
    assert.equal(status, 200);
    for (const [code, { error }] of Object.entries(ERRORS)) {
      assert.ok(text.includes(`<tr id="${code}"><td>${error}</td><td>${code}</td>`), code);
    }
  });
});
