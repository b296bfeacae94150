// Before anything runs from dist/: builds it when it is missing, older than src/ or of other packages than are installed,
// and says nothing when it is not.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installedPackages } from './installed-packages.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const hasTools = ['typescript', 'rolldown', 'vite'].every((it) =>
  existsSync(join(root, 'node_modules', it, 'package.json')),
);
const hasDist = existsSync(join(root, 'dist/main.js'));

if (hasTools) {
  if (isOld()) {
    const { status } = spawnSync(process.execPath, [join(root, 'scripts/build.js')], { stdio: 'inherit' });
    process.exitCode = status ?? 1;
  }
} else if (!hasDist) {
  console.error('There is no build yet, and the tools to make one are not installed. Run: npm install --include=dev');
  process.exitCode = 1;
}

/** Folders count too: their time changes when a file is removed. */
function isOld() {
  const file = join(root, 'dist/.build');
  const stamp = statSync(file, { throwIfNoEntry: false });
  const src = join(root, 'src');
  if (stamp === undefined) return existsSync(src);
  if (readFileSync(file, 'utf8') !== installedPackages(root)) return true;
  return ['', ...readdirSync(src, { recursive: true })]
    .filter((it) => !it.endsWith('.test.ts'))
    .some((it) => (statSync(join(src, it), { throwIfNoEntry: false })?.mtimeMs ?? 0) > stamp.mtimeMs);
}
