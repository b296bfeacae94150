// Builds dist/ from src/: each module with tsc, for the client and the command line; the server out of these in a few
// files with rolldown; the page with vite. `dist/.build` tells how old the sources of a build are by its time, and which
// packages are in it: build-if-needed.js compares with both.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installedPackages } from './installed-packages.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const startedAt = new Date();

tool('typescript/bin/tsc', '-p', 'tsconfig.build.json');
await bundleServer();
removeStale();
if (existsSync(join(root, 'src/web/index.html'))) {
  tool('vite/bin/vite.js', 'build', '--logLevel', 'warn');
}
mkdirSync(dist, { recursive: true });
const stamp = join(dist, '.build');
writeFileSync(stamp, installedPackages(root));
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

/**
 * The server in a few files instead of a thousand: a worker that takes a dead one's place is ready sooner. What is imported
 * only where it is needed (a driver, a role) stays a file of its own. Left out: `libsql` finds its native part by its
 * place, and of `mongoose` nothing is gained.
 */
async function bundleServer() {
  const { build } = await import('rolldown'); // what to do without the tools is said above
  await build({
    cwd: root,
    input: 'src/main.ts',
    platform: 'node',
    external: ['libsql', 'mongoose'],
    output: { dir: 'dist', chunkFileNames: 'chunks/[name].js', sourcemap: true },
  });
}

/** Nothing removes the output of a source that is gone; it would still be found and run. */
function removeStale() {
  for (const entry of readdirSync(join(dist, 'chunks'))) {
    const file = join(dist, 'chunks', entry);
    if (statSync(file).mtimeMs < startedAt.getTime()) rmSync(file);
  }
  for (const entry of readdirSync(dist, { recursive: true })) {
    const [, name] = /^(?!(?:web|chunks)[\\/])(.+?)(?:\.d\.ts|\.js)(?:\.map)?$/.exec(entry) ?? [];
    if (name !== undefined && !existsSync(join(root, 'src', `${name}.ts`))) rmSync(join(dist, entry));
  }
}
