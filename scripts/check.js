// `npm run check`: everything that can be told without running the server. All steps run, so that one sees all at once.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const web = join(root, 'src/web');
const hasPage = existsSync(web) && readdirSync(web).some((it) => it.endsWith('.ts'));

const steps = [
  ['types', 'typescript/bin/tsc', '-p', '.'],
  ...(hasPage ? [['types of the page', 'typescript/bin/tsc', '-p', 'tsconfig.web.json']] : []),
  ['lint and format', '@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '.'],
  ['import rules', 'dependency-cruiser/bin/dependency-cruise.mjs', '--config', '.dependency-cruiser.js', 'src', 'test'],
  ['unused files, exports and packages', 'knip/bin/knip.js', '--no-config-hints'],
];

const failed = [];
for (const [name, script, ...args] of steps) {
  const file = join(root, 'node_modules', script);
  if (!existsSync(file)) {
    console.error(`check: ${script} is not installed; run: npm install --include=dev`);
    process.exit(1);
  }
  console.log(`--- ${name}`);
  if (spawnSync(process.execPath, [file, ...args], { cwd: root, stdio: 'inherit' }).status !== 0) failed.push(name);
}
console.log(failed.length === 0 ? 'check: all is well' : `check: FAILED: ${failed.join('; ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;
