import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { ROOT } from '../support/root.ts';

/** What a build reads. */
const SOURCES = ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'vite.config.ts', 'scripts', 'src', 'dist'];

describe('npm run build', () => {
  const root = mkdtempSync(join(tmpdir(), 'parley-build-'));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  beforeAll(() => {
    for (const it of SOURCES) cpSync(join(ROOT, it), join(root, it), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  });

  const build = (): Promise<number | null> =>
    new Promise((resolve) => {
      const child = spawn(process.execPath, ['scripts/build.js'], { cwd: root, stdio: 'ignore' });
      child.once('close', resolve);
    });
  const digest = (): string => {
    const hash = createHash('sha256');
    for (const it of readdirSync(join(root, 'dist'), { recursive: true, withFileTypes: true })) {
      if (it.isFile()) hash.update(it.name).update(readFileSync(join(it.parentPath, it.name)));
    }
    return hash.digest('hex');
  };
  const builds = (): string[] => [...readdirSync(root)].filter((it) => it.startsWith('dist'));
  const files = (dist: string): string[] => [...readdirSync(dist, { recursive: true })].map(String).sort();

  it('leaves what a running server starts its workers from as it is when it fails', async () => {
    const before = digest();
    appendFileSync(join(root, 'src/main.ts'), 'export const wrong: number = "x";\n');
    assert.notEqual(await build(), 0);
    assert.equal(digest(), before);
    assert.deepEqual(builds(), ['dist']);
  }, 60_000);

  it('replaces all of it when it goes well, and keeps nothing of sources that are gone', async () => {
    cpSync(join(ROOT, 'src/main.ts'), join(root, 'src/main.ts'));
    cpSync(join(root, 'dist/main.js'), join(root, 'dist/chunks/gone.js'));
    assert.equal(await build(), 0);
    const made = files(join(root, 'dist'));
    for (const it of ['main.js', 'cli.js', 'sdk/client.d.ts', 'web/index.html']) assert.ok(made.includes(it), it);
    assert.ok(!made.includes('chunks/gone.js'));
    assert.deepEqual(builds(), ['dist']);
  }, 60_000);
});
