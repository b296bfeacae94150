import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEngine } from '../../../scripts/engines/engine.js';
import { RABBITMQ } from '../../../scripts/engines/rabbitmq.js';
import type { Engine } from '../../support/engines.ts';
import type { TestBed } from '../../support/test-bed.ts';

const MEMORY = '/dev/shm';
/** It starts with two busy cores for 5 s. */
const NICENESS = '10';

export interface DistantBroker {
  readonly engine: Engine;
  readonly dir: string;
}

/**
 * A RabbitMQ of the test's own, as if it were on another machine as far as that goes: it comes second where cores are
 * short, and its disk is not the store's.
 */
export async function startDistantBroker(bed: TestBed): Promise<DistantBroker> {
  const parent = existsSync(MEMORY) ? MEMORY : tmpdir();
  const dir = bed.own(await mkdtemp(join(parent, 'parley-rabbitmq-')), (it) =>
    rm(it, { recursive: true, force: true, maxRetries: 5 }),
  );
  const nice: typeof RABBITMQ = {
    ...RABBITMQ,
    command: (at) => {
      const { program, args, ...more } = RABBITMQ.command(at);
      return { ...more, program: 'nice', args: ['-n', NICENESS, program, ...args] };
    },
  };
  const engine = bed.own(await startEngine(nice, { dir }), (it) => it.stop());
  return { engine, dir };
}
