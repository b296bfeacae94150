// `npm run soak -- [--minutes 30] [--over embedded|production] [--seed N]`: a load of clients and faults of all kinds at
// random on each set-up for so long, then the check of `parley verify`, and how memory and files grew meanwhile. From 20
// minutes on what grows too much is a failure. The same seed breaks the same things again.
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    over: { type: 'string' },
    seed: { type: 'string' },
  },
});
const { minutes, over, seed } = values;
if (!(Number(minutes) > 0) || (over !== undefined && !['embedded', 'production'].includes(over))) {
  console.error('usage: npm run soak -- [--minutes 30] [--over embedded|production] [--seed N]');
  process.exit(64);
}
const child = spawn(process.execPath, [join(root, 'scripts/test.js'), 'test/faults/soak.test.ts'], {
  cwd: root,
  env: {
    ...process.env,
    CI: 'true', // an engine that is missing is a failure
    SOAK_MINUTES: minutes,
    ...(over === undefined ? {} : { SOAK_OVER: over }),
    ...(seed === undefined ? {} : { FAULTS_SEED: seed }),
  },
  stdio: 'inherit',
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.once('exit', (code) => process.exit(code ?? 1));
