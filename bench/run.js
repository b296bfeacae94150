// Measures Parley beside a plain Socket.IO server in one run, and prints a table. Figures of one machine and one moment:
// compare the ratios. `npm run bench -- --seconds 10 --members 200 --rates 100,400,800`

import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { measureAppends } from './measure-appends.js';
import { measureFanOut } from './measure-fan-out.js';
import { measureBareAppends, measureSyncs } from './measure-machine.js';
import { parley, plain } from './servers.js';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '8' },
    members: { type: 'string', default: '200' },
    rates: { type: 'string', default: '100,400,800' },
    rounds: { type: 'string', default: '2' },
  },
});
const seconds = Number(values.seconds);
const members = Number(values.members);

console.log(`Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model.trim()}`);
console.log(`One room of ${members} members, ${seconds} s per row; clients, senders and servers share this machine.\n`);

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
const rows = [];
for (const rate of values.rates.split(',').map(Number)) {
  const found = { plain: [], parley: [] };
  // In turn, so that a machine that slows down slows both.
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const start of [plain, parley]) {
      const result = await measureFanOut(start, { rate, seconds, members });
      found[start.name].push(result);
    }
  }
  for (const name of ['plain', 'parley']) {
    const of = (field) => median(found[name].map((it) => it[field]));
    rows.push({
      server: name === 'plain' ? 'plain Socket.IO' : 'Parley (stores, orders)',
      'messages/s': rate,
      'deliveries/s': Math.round(of('deliveriesPerSecond')),
      'deliveries per CPU s': Math.round(of('deliveriesPerCpuSecond')),
      'ratio to plain':
        name === 'plain'
          ? '1.00'
          : median(
              found.parley.map((it, i) => it.deliveriesPerCpuSecond / found.plain[i].deliveriesPerCpuSecond),
            ).toFixed(2),
      'p50 ms': of('p50').toFixed(1),
      'p99 ms': of('p99').toFixed(1),
      'KiB per client': Math.round(of('kibPerClient')),
      complete: found[name].every((it) => it.complete) ? 'yes' : 'no',
    });
  }
}
console.table(rows);

const appends = await measureAppends({ seconds, workers: 2, inFlight: 64 });
console.log(
  `Acknowledged appends, ${appends.inFlight} in flight over ${appends.workers} workers: ${Math.round(appends.perSecond)}/s, ` +
    `p50 ${appends.p50.toFixed(1)} ms, p99 ${appends.p99.toFixed(1)} ms, ` +
    `longest stall of the writer's event loop ${appends.stallMs.toFixed(0)} ms`,
);

const bare = await measureBareAppends({ seconds: 4, perCommit: 100 });
const [small, large] = [
  await measureSyncs({ seconds: 2, bytes: 4 * 1024 }),
  await measureSyncs({ seconds: 2, bytes: 160 * 1024 }),
];
console.log(
  `For comparison, this machine now: bare libsql, 100 appends per commit in one process, same tables and settings: ` +
    `${Math.round(bare)}/s; fdatasync after 4 KiB: ${Math.round(small)}/s, after 160 KiB: ${Math.round(large)}/s`,
);
