// `npm test`: builds what is old, runs jest with the arguments given here, and ends with one plain line of counts.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { closingLine } from './plain-reporter.js';

/** Jest waits for ever for what a test left open; this long after its end that is a failure. */
const EXIT_WITHIN_MS = 15_000;
/** The tests in test/page need a browser. */
const WITHOUT_PAGE = ['/node_modules/', '/dist/', '/test/page/'].map((it) => `--testPathIgnorePatterns=${it}`);

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const jest = join(root, 'node_modules/jest/bin/jest.js');

const counts = { passed: 0, failed: 0, skipped: 0 };
/** Sentences for the end, where they are seen. */
const notes = [];

await run();
for (const note of notes) console.log(`\n*** ${note} ***`);
if (counts.failed > 0 || counts.passed === 0) process.exitCode = 1;
console.log(closingLine(counts));

async function run() {
  if (!existsSync(jest)) {
    fail('jest is not installed (NODE_ENV=production leaves it out); run: npm install --include=dev');
    return;
  }
  const build = spawnSync(process.execPath, [join(root, 'scripts/build-if-needed.js')], { stdio: 'inherit' });
  if (build.status !== 0) {
    fail('THE BUILD FAILED, so no test ran');
    return;
  }
  const chromium = findChromium();
  await runJest(await environment(chromium), chromium === undefined ? WITHOUT_PAGE : []);
  if (chromium === undefined) {
    notes.push('THE PAGE WAS NOT TESTED: there is no chromium (install it, or set CHROMIUM to its path)');
    if (process.env.CI === 'true') counts.failed += 1;
  }
}

function fail(note) {
  notes.push(note);
  counts.failed += 1;
}

function findChromium() {
  if (process.env.CHROMIUM) return existsSync(process.env.CHROMIUM) ? process.env.CHROMIUM : undefined;
  const folders = (process.env.PATH ?? '').split(':');
  return ['chromium', 'chromium-browser', 'google-chrome']
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find((it) => existsSync(it));
}

/** Without what a user has set for a server of their own: tests say what they need. */
async function environment(chromium) {
  const { CONFIG_NAMES } = await import('../dist/config/print-config.js');
  const env = { ...process.env };
  for (const name of CONFIG_NAMES) delete env[name];
  return chromium === undefined ? env : { ...env, CHROMIUM: chromium };
}

async function runJest(env, ignored) {
  const args = [
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    jest,
    // First: jest would take a path that follows one of the lists below for a part of it.
    ...process.argv.slice(2),
    '--reporters=default',
    `--reporters=${join(root, 'scripts/plain-reporter.js')}`,
    ...ignored,
  ];
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
  let reported = false;
  let timer;
  child.on('message', (message) => {
    reported = true;
    counts.passed += message.passed;
    counts.failed += message.failed;
    counts.skipped += message.skipped;
    timer = setTimeout(() => {
      fail('JEST DID NOT END: a test left something open');
      child.kill('SIGKILL');
    }, EXIT_WITHIN_MS);
  });
  const status = await new Promise((exited) => child.once('exit', exited));
  clearTimeout(timer);
  if (!reported) fail('JEST GAVE NO RESULT, see above');
  else if (status !== 0 && counts.failed === 0) fail(`JEST FAILED (status ${status})`);
}
