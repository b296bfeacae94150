// `npm run faults [-- [--short] [name…]]`: runs the tests of test/faults whose file names contain one of these names, all
// without one, in their long form, one file after the other. What they measured goes into docs/reliability.md: a section
// per file, which says itself when and where it ran. Sections of files that did not run stay as they are.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { joinSections, splitSections, writeSection } from './fault-sections.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const page = join(root, 'docs/reliability.md');
const SUFFIX = '.test.ts';

const { values, positionals } = parseArgs({ options: { short: { type: 'boolean' } }, allowPositionals: true });
const all = readdirSync(join(root, 'test/faults')).flatMap((it) =>
  it.endsWith(SUFFIX) ? [it.slice(0, -SUFFIX.length)] : [],
);
const chosen = all.filter((it) => positionals.length === 0 || positionals.some((name) => it.includes(name)));
if (chosen.length === 0) {
  console.error(`No file of test/faults is called so; there are ${all.join(', ')}.`);
  process.exit(1);
}

const folder = mkdtempSync(join(tmpdir(), 'parley-faults-'));
const failed = [];
const sections = splitSections(readFileSync(page, 'utf8'));
for (const name of sections.keys()) if (!all.includes(name)) sections.delete(name);
for (const name of chosen) {
  console.log(`\n== ${name}`);
  const startedAt = performance.now();
  const held = await run(name);
  if (!held) failed.push(name);
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  const written = writeSection({ name, held, seconds, short: values.short === true, results: resultsOf(name) });
  // What measures nothing for this page leaves no section, unless it failed.
  if (written === undefined) sections.delete(name);
  else sections.set(name, written);
  writeFileSync(page, joinSections(readFileSync(page, 'utf8'), sections));
}
rmSync(folder, { recursive: true });
console.log(
  `\n${chosen.length - failed.length} of ${chosen.length} runs held; their figures are in docs/reliability.md`,
);
if (failed.length > 0) {
  console.error(`FAILED: ${failed.join(', ')}`);
  process.exitCode = 1;
}

/** Resolves with whether everything held. */
async function run(name) {
  const env = {
    ...process.env,
    CI: 'true', // an engine that is missing is a failure
    FAULTS: values.short ? 'short' : 'long',
    FAULTS_OUT: join(folder, name),
  };
  const args = [join(root, 'scripts/test.js'), `test/faults/${name}${SUFFIX}`];
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: 'inherit' });
  return (await new Promise((exited) => child.once('exit', exited))) === 0;
}

/** What the run told before it ended, however it ended. */
function resultsOf(name) {
  try {
    const files = readdirSync(join(folder, name)).filter((it) => it.endsWith('.json'));
    return files.map((it) => JSON.parse(readFileSync(join(folder, name, it), 'utf8')));
  } catch {
    return [];
  }
}
