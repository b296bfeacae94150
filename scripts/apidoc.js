// `npm run apidoc [folder]`: the REST interface as HTML that needs no network (docs/apidoc where no folder is given).
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { apidocSource } from './apidoc-source.js';
import { readDocuments } from './read-documents.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = resolve(process.argv[2] ?? join(root, 'docs/apidoc'));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const { openapi } = await readDocuments(version);

const source = mkdtempSync(join(tmpdir(), 'parley-apidoc-'));
try {
  const settings = JSON.parse(readFileSync(join(root, 'apidoc.json'), 'utf8'));
  writeFileSync(join(source, 'apidoc.json'), JSON.stringify({ ...settings, version }));
  writeFileSync(join(source, 'routes.js'), apidocSource(openapi));
  rmSync(folder, { recursive: true, force: true });
  const tool = join(root, 'node_modules/apidoc/bin/apidoc');
  const args = ['--config', join(source, 'apidoc.json'), '--input', source, '--output', folder, '--warn-error'];
  const { status } = spawnSync(process.execPath, [tool, ...args], { cwd: source, stdio: 'inherit' });
  if (status !== 0) process.exitCode = status ?? 1;
  else console.log(join(folder, 'index.html'));
} finally {
  rmSync(source, { recursive: true });
}
