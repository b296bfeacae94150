// Builds dist/ from src/: the server with tsc, the page with vite. The time of `dist/.build` tells how old the sources
// of a build are: build-if-needed.js compares with it.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const startedAt = new Date();

tool('typescript/bin/tsc', '-p', 'tsconfig.build.json');
removeStale();
if (existsSync(join(root, 'src/web/index.html'))) {
  tool('vite/bin/vite.js', 'build', '--logLevel', 'warn');
}
mkdirSync(dist, { recursive: true });
const stamp = join(dist, '.build');
writeFileSync(stamp, '');
// The beginning of the build, so that a file saved meanwhile counts as newer.
utimesSync(stamp, startedAt, startedAt);

function tool(script, ...args) {
  const file = join(root, 'node_modules', script);
  if (!existsSync(file)) {
    console.error(`build: ${script} is not installed; run: npm install --include=dev`);
    process.exit(1);
  }
  const { status } = spawnSync(process.execPath, [file, ...args], { cwd: root, stdio: 'inherit' });
  if (status !== 0) {
    console.error(`build: ${script} failed`);
    process.exit(status ?? 1);
  }
}

/** tsc never removes the output of a source that is gone; it would still be found and run. */
function removeStale() {
  for (const entry of readdirSync(dist, { recursive: true })) {
    const [, name] = /^(?!web[\\/])(.+?)(?:\.d\.ts|\.js)(?:\.map)?$/.exec(entry) ?? [];
    if (name !== undefined && !existsSync(join(root, 'src', `${name}.ts`))) rmSync(join(dist, entry));
  }
}
