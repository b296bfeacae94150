// Builds dist/ from src/: each module with tsc, for the client and the command line; the server out of these in a few
// files with rolldown; the page with vite. `dist/.build` tells how old the sources of a build are by its time, and which
// packages are in it: build-if-needed.js compares with both.
//
// A running server starts workers out of dist/ at any time, so it is replaced as a whole, and only by a build that went
// well.
import { spawnSync } from 'node:child_process';
import { existsSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installedPackages } from './installed-packages.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
/** Beside dist/, since maps name their sources by the way to them; several may build at a time. */
const made = `${dist}-${process.pid}`;
const startedAt = new Date();
process.once('exit', () => rmSync(made, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

tool('typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', made);
await bundleServer();
if (existsSync(join(root, 'src/web/index.html'))) {
  tool('vite/bin/vite.js', 'build', '--logLevel', 'warn', '--outDir', join(made, 'web'));
}
const stamp = join(made, '.build');
writeFileSync(stamp, installedPackages(root));
// The beginning of the build, so that a file saved meanwhile counts as newer.
utimesSync(stamp, startedAt, startedAt);
replace();

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
    output: { dir: made, chunkFileNames: 'chunks/[name].js', sourcemap: true },
  });
}

/** A folder that is not empty cannot be renamed over: for a moment there is none, and a worker that finds none is tried again. */
function replace() {
  const old = `${made}-old`;
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(made, dist);
  rmSync(old, { recursive: true, force: true });
}
