// `npm test`: builds what is old, starts the engines that the tests chosen here need, runs jest with the arguments given
// here, and ends with one plain line of counts. Tests run as many at once as there are cores, then those that measure
// time, each alone.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startEngine } from './engines/engine.js';
import { installLines, NEEDS } from './engines/needs.js';
import { closingLine } from './plain-reporter.js';

/** Jest waits for ever for what a test left open; this long after its end that is a failure. */
const EXIT_WITHIN_MS = 15_000;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const jest = join(root, 'node_modules/jest/bin/jest.js');
const jestArgs = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', jest, ...process.argv.slice(2)];

/** What measures how long things take. */
const ALONE = '/test/(faults/|contracts/accounts-)';
const PARTS = [
  { workers: availableParallelism(), leavesOut: new RegExp(ALONE) },
  { workers: 1, leavesOut: new RegExp(`^(?!.*${ALONE})`) },
];

const counts = { passed: 0, failed: 0, skipped: 0 };
/** Sentences for the end, where they are seen. */
const notes = [];
/** The tests that cannot run here. */
const left = [];
/** Started for this run. */
const engines = [];
/** Where tests find what they need. */
const addresses = {};
let interrupted = false;

await run().catch((error) => {
  console.error(error);
  fail('THE TEST RUN BROKE OFF, see above');
});
await Promise.all(engines.map((it) => it.stop()));
for (const note of notes) console.log(`\n*** ${note} ***`);
if (counts.failed > 0 || counts.passed === 0) process.exitCode = 1;
console.log(closingLine(counts));

async function run() {
  if (!existsSync(jest)) {
    fail('jest is not installed (NODE_ENV=production leaves it out); run: npm install --include=dev');
    return;
  }
  const { output } = await node([...jestArgs, '--listTests'], 'pipe');
  const chosen = output.split('\n').filter((it) => it.startsWith('/'));
  const [build] = await Promise.all([node([join(root, 'scripts/build-if-needed.js')]), provide(chosen)]);
  if (build.status !== 0) fail('THE BUILD FAILED, so no test ran');
  else if (chosen.length === 0) fail('NO FILE OF TESTS IS CALLED SO');
  else for (const part of PARTS) if (!interrupted) await runPart(part, chosen);
  if (interrupted) fail('INTERRUPTED');
}

/** Those of the chosen files that are of this part and can run here. */
async function runPart({ workers, leavesOut }, chosen) {
  const ignored = [leavesOut, ...left];
  if (chosen.some((file) => !ignored.some((it) => it.test(file)))) await runJest(workers, ignored);
}

function fail(note) {
  notes.push(note);
  counts.failed += 1;
}

/** What the chosen tests need, all at once; tests that cannot run without something that is missing are left out. */
async function provide(chosen) {
  await Promise.all(
    NEEDS.map((need) =>
      provideOne(
        need,
        chosen.filter((it) => need.files.test(it)),
      ),
    ),
  );
}

async function provideOne(need, files) {
  const { name, variable, kind } = need;
  const program = need.find();
  if (files.length === 0 || (kind && process.env[variable])) return;
  if (program === undefined) {
    left.push(need.files);
    const lines = installLines([need]).join(' && ');
    notes.push(`NOT TESTED, ${name} IS NOT INSTALLED: ${list(files)}. To install it on Debian: ${lines}`);
    if (process.env.CI === 'true') counts.failed += 1;
  } else if (kind === undefined) {
    addresses[variable] = program;
  } else {
    try {
      const engine = await startEngine(kind);
      engines.push(engine);
      addresses[variable] = engine.url;
    } catch (error) {
      left.push(need.files);
      console.error(error);
      fail(`NOT TESTED, ${name} COULD NOT BE STARTED (see above): ${list(files)}`);
    }
  }
}

function list(files) {
  return files.map((it) => relative(root, it)).join(', ');
}

/** Without what a user has set for a server of their own: tests say what they need. */
async function environment() {
  const { CONFIG_NAMES } = await import('../dist/config/print-config.js');
  const env = { ...process.env };
  for (const name of CONFIG_NAMES) delete env[name];
  return { ...env, ...addresses };
}

async function runJest(workers, ignored) {
  const args = [
    // First: jest would take a path that follows one of the lists below for a part of it.
    ...jestArgs,
    '--reporters=default',
    `--reporters=${join(root, 'scripts/plain-reporter.js')}`,
    ...['/node_modules/', '/dist/', ...ignored.map((it) => it.source)].map((it) => `--testPathIgnorePatterns=${it}`),
    ...(process.argv.some((it) => /^(-i|-w|--runInBand|--maxWorkers)/.test(it)) ? [] : [`--maxWorkers=${workers}`]),
  ];
  const options = { cwd: root, env: await environment(), stdio: ['inherit', 'inherit', 'inherit', 'ipc'] };
  const child = spawn(process.execPath, args, options);
  // The engines are to be ended before this process is.
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => {
      interrupted = true;
      child.kill(signal);
    });
  }
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

/** Runs a script; with 'pipe' its output is kept instead of shown. */
async function node(args, stdout = 'inherit') {
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', stdout, 'inherit'] });
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk) => {
    output += chunk;
  });
  const status = await new Promise((closed) => child.once('close', closed));
  return { status, output };
}
