import { fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { SqliteWriter } from '../dist/drivers/store/sqlite/sqlite-writer.js';
import { Link } from '../dist/platform/link.js';
import { TOPICS } from '../dist/start/cluster-state.js';
import { linkOptions } from '../dist/start/link-options.js';
import { processChannel } from '../dist/start/process-channel.js';

const quantile = (sorted, q) => sorted[Math.floor(sorted.length * q)];

/** Appends of several workers to the one writer, over the same IPC, link and drivers as in the server. */
export async function measureAppends({ seconds, workers, inFlight }) {
  const dir = await mkdtemp(join(tmpdir(), 'parley-bench-'));
  const writer = await SqliteWriter.open(dir);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  try {
    const results = [];
    delay.enable();
    const children = Array.from({ length: workers }, () => {
      const child = fork(fileURLToPath(new URL('./append-worker.js', import.meta.url)), {
        serialization: 'advanced',
        env: {
          ...process.env,
          BENCH_DIR: dir,
          BENCH_SECONDS: String(seconds),
          BENCH_FLIGHT: String(inFlight / workers),
        },
      });
      const link = new Link(processChannel(child), linkOptions);
      link.handle(TOPICS.write, (write) => writer.submit(write));
      link.on('bench.result', (result) => results.push(result));
      return new Promise((resolve) => child.once('exit', resolve));
    });
    await Promise.all(children);
    const all = results.flatMap((it) => it.latencies).sort((a, b) => a - b);
    return {
      workers,
      inFlight,
      perSecond: results.reduce((sum, it) => sum + it.perSecond, 0),
      p50: quantile(all, 0.5),
      p99: quantile(all, 0.99),
      stallMs: delay.max / 1e6,
    };
  } finally {
    delay.disable();
    await writer.close();
    await rm(dir, { recursive: true, force: true });
  }
}
